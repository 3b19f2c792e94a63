// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.util.Locale;

/** Names of platforms as the native build spells them: {@code linux-x86_64}. */
final class NativeLibraryPlatform {
  private NativeLibraryPlatform() {}

  static String current() {
    return name(System.getProperty("os.name", ""), System.getProperty("os.arch", ""));
  }

  static String name(String osName, String osArch) {
    String os = osName.toLowerCase(Locale.ROOT).replace(" ", "");
    String arch = osArch.toLowerCase(Locale.ROOT);
    return os + "-" + (arch.equals("amd64") ? "x86_64" : arch);
  }
}
