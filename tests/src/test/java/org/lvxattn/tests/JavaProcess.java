// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A separate JVM that has ended; a JVM loads the natives only once.
 *
 * @param code its exit code
 * @param out its standard output
 */
record JavaProcess(int code, String out) {
  /** Runs a class of this class path with the natives of a folder. */
  static JavaProcess run(Path natives, Map<String, String> variables, String... command)
      throws IOException, InterruptedException {
    List<String> line = new ArrayList<>();
    line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    line.add("--enable-native-access=ALL-UNNAMED");
    line.add("-Dorg.lvxattn.native.dir=" + natives);
    line.add("-cp");
    line.add(Objects.requireNonNull(System.getProperty("java.class.path")));
    line.addAll(List.of(command));
    ProcessBuilder builder =
        new ProcessBuilder(line).redirectError(ProcessBuilder.Redirect.INHERIT);
    builder.environment().putAll(variables);
    Process process = builder.start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new JavaProcess(process.waitFor(), out);
  }
}
