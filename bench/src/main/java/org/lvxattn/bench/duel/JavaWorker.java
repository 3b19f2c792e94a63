// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Starts {@link KernelWorker} of this build of the library or of another. */
final class JavaWorker {
  private JavaWorker() {}

  /** Starts the worker of this JVM's own build. */
  static Worker ofThisBuild(String name, int threads) throws IOException {
    return new Worker(
        name,
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--module-path",
            System.getProperty("jdk.module.path", ""),
            "--add-modules",
            "org.lvxattn",
            "--enable-native-access=org.lvxattn",
            "--class-path",
            System.getProperty("java.class.path", ""),
            KernelWorker.class.getName(),
            String.valueOf(threads)));
  }

  /**
   * Starts the worker of any build.
   *
   * @param command the command that starts the build's own worker, one argument per line, without
   *     the number of threads
   */
  static Worker of(String name, String command, int threads) throws IOException {
    List<String> arguments = new ArrayList<>(command.lines().toList());
    arguments.add(String.valueOf(threads));
    return new Worker(name, arguments);
  }
}
