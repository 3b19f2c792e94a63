// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Starts {@link KernelWorker} with this build of the library or another. */
final class JavaWorker {
  private JavaWorker() {}

  /** With the build that this JVM was started with. */
  static Worker ofThisBuild(String name, int threads) throws IOException {
    return of(name, System.getProperty("jdk.module.path", ""), threads);
  }

  /** With the modules of another build; the worker's own classes are this build's. */
  static Worker of(String name, String modulePath, int threads) throws IOException {
    return new Worker(
        name,
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--module-path",
            modulePath,
            "--add-modules",
            "org.lvxattn",
            "--enable-native-access=org.lvxattn",
            "--class-path",
            System.getProperty("java.class.path", ""),
            KernelWorker.class.getName(),
            String.valueOf(threads)));
  }
}
