// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.collective;

/** A native collective call; building its arguments may throw. */
@FunctionalInterface
public interface NativeCall {
  /** Returns an lvx_status. */
  int invoke();
}
