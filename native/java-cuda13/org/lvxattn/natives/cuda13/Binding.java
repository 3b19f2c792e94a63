// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.natives.cuda13;

import java.util.function.Supplier;

/** Binds this module to {@code org.lvxattn}, which uses the service. */
public final class Binding implements Supplier<String> {
  /** The classifier of this artifact. */
  @Override
  public String get() {
    return "linux-x86_64-cuda13";
  }
}
