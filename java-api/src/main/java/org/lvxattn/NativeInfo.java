// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.nio.file.Path;
import org.lvxattn.bindings.NativeLibrary;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.NativeCalls;

/**
 * The native library in use, for diagnostics.
 *
 * @param file the file that was loaded
 * @param version the library's version
 * @param abiVersion the version of its C ABI
 */
public record NativeInfo(Path file, String version, int abiVersion) {
  /**
   * Loads the library, unless it is loaded already, and describes it.
   *
   * @throws LinkageError if it cannot be loaded; the message says what to do
   */
  public static NativeInfo load() {
    NativeCalls.load();
    return new NativeInfo(NativeLibrary.file(), NativeCalls.version(), Lvx.lvx_abi_version());
  }
}
