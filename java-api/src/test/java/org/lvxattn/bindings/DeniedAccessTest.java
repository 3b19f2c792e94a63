// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where the JVM denies native access, every use says what to do, whichever comes first. */
class DeniedAccessTest {
  @TempDir Path cache;

  @ParameterizedTest
  @ValueSource(strings = {"attention", "options", "device", "world", "info"})
  void theAdviceDoesNotDependOnTheClassThatIsTouchedFirst(String first) throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--illegal-native-access=deny",
                "-D" + NativeLibrary.CACHE_PROPERTY + "=" + cache,
                "-cp",
                classPath(),
                DeniedAccessMain.class.getName(),
                first)
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    assertThat(output.lines())
        .hasSize(6)
        .allMatch(
            line ->
                line.endsWith(": needs no natives")
                    || line.contains("--enable-native-access=ALL-UNNAMED"),
            output)
        .filteredOn(line -> line.contains("--enable-native-access"))
        .as(output)
        .hasSizeGreaterThanOrEqualTo(3);
  }

  /** The module path of this JVM, too: the child has everything on its class path. */
  private static String classPath() {
    String modules = System.getProperty("jdk.module.path", "");
    return Objects.requireNonNull(System.getProperty("java.class.path"))
        + System.getProperty("path.separator")
        + modules
        + System.getProperty("path.separator")
        + Path.of("target", "classes").toAbsolutePath()
        + System.getProperty("path.separator")
        + Path.of("target", "test-classes").toAbsolutePath();
  }
}
