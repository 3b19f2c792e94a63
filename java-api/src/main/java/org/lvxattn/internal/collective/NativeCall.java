// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.collective;

/** A native call that all ranks of a group make together; making its arguments may throw. */
@FunctionalInterface
public interface NativeCall {
  /** Returns an lvx_status. */
  int invoke();
}
