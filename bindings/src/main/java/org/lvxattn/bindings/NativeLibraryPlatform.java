// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.util.Locale;

/** Names of platforms as the native build spells them: {@code linux-x86_64}. */
final class NativeLibraryPlatform {
  private NativeLibraryPlatform() {}

  static String current() {
    return name(System.getProperty("os.name", ""), System.getProperty("os.arch", ""));
  }

  /** The processor of this JVM. */
  static String processor() {
    return processor(System.getProperty("os.arch", ""));
  }

  static String name(String osName, String osArch) {
    String os = osName.toLowerCase(Locale.ROOT).replace(" ", "");
    return os + "-" + processor(osArch);
  }

  private static String processor(String osArch) {
    String arch = osArch.toLowerCase(Locale.ROOT);
    return arch.equals("amd64") ? "x86_64" : arch;
  }
}
