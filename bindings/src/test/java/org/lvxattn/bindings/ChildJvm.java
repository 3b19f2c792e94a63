// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/** Loading happens once per process, so every scenario gets one of its own. */
final class ChildJvm {
  private final Process process;

  private ChildJvm(Process process) {
    this.process = process;
  }

  /** Starts {@link LoadMain} on this class path with JVM options. */
  static ChildJvm start(String... options) throws IOException {
    return start(List.of(), Map.of(), options);
  }

  /**
   * As above, through another command, with variables of the environment; an empty one is unset.
   */
  static ChildJvm start(List<String> through, Map<String, String> variables, String... options)
      throws IOException {
    return start(LoadMain.class, through, variables, options);
  }

  /** As above, with another main class. */
  static ChildJvm start(
      Class<?> main, List<String> through, Map<String, String> variables, String... options)
      throws IOException {
    List<String> command = new ArrayList<>(through);
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(options));
    command.add("-cp");
    command.add(Objects.requireNonNull(System.getProperty("java.class.path")));
    command.add(main.getName());
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    variables.forEach(
        (name, value) -> {
          builder.environment().remove(name);
          if (!value.isEmpty()) {
            builder.environment().put(name, value);
          }
        });
    return new ChildJvm(builder.start());
  }

  /** Waits for the end; everything the process printed. */
  String output() throws IOException, InterruptedException {
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (!process.waitFor(300, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new AssertionError("the child JVM does not end: " + output);
    }
    if (process.exitValue() != 0) {
      throw new AssertionError("the child JVM died with " + process.exitValue() + ": " + output);
    }
    return output;
  }

  static String run(String... options) throws IOException, InterruptedException {
    return start(options).output();
  }
}
