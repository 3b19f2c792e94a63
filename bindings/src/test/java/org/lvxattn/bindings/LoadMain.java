// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.PrintStream;

/**
 * What {@link ChildJvm} runs: loads the library twice and says how that went. The second time the
 * cache is where the property "then" says, if it is set. With the property "interrupted", its
 * thread is interrupted before.
 */
final class LoadMain {
  private LoadMain() {}

  public static void main(String[] args) {
    PrintStream out = System.out;
    if (Boolean.getBoolean("interrupted")) {
      Thread.currentThread().interrupt();
    }
    for (int attempt = 1; attempt <= 2; attempt++) {
      try {
        NativeLibrary.load();
        boolean visible = NativeLibrary.find("lvx_abi_version").isPresent();
        out.println(attempt + " loaded " + NativeLibrary.file() + " symbols=" + visible);
      } catch (NativeLibraryError e) {
        Throwable cause = e.getCause();
        String kind = cause == null ? "none" : cause.getClass().getSimpleName();
        out.println(attempt + " failed cause=" + kind + " " + e.getMessage());
      }
      String then = System.getProperty("then");
      if (then != null) {
        System.setProperty(NativeLibrary.CACHE_PROPERTY, then);
        System.clearProperty(NativeLibrary.DIRECTORY_PROPERTY);
      }
    }
    if (Thread.interrupted()) {
      out.println("still interrupted");
    }
  }
}
