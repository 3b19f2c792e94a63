// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Starts {@link KernelWorker} of this build of the library or of another. */
final class JavaWorker {
  private JavaWorker() {}

  /** Of the build that this JVM was started with. */
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
   * Of any build.
   *
   * @param command what starts that build's own worker, an argument a line, without the number of
   *     threads
   */
  static Worker of(String name, String command, int threads) throws IOException {
    List<String> arguments = new ArrayList<>(command.lines().toList());
    arguments.add(String.valueOf(threads));
    return new Worker(name, arguments);
  }
}
