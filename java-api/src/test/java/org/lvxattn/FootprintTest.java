// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** Creating and closing objects leaks no native memory, in a JVM whose heap cannot grow. */
@EnabledOnOs(value = OS.LINUX, disabledReason = "reads /proc/self/statm")
class FootprintTest {
  private static final long LIMIT = 2L << 20;

  @Test
  void tenThousandCyclesLeaveNativeMemoryFlat() throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "-Xms64m",
            "-Xmx64m",
            "-XX:+AlwaysPreTouch",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1"));
    for (String property : List.of("org.lvxattn.native.dir", "org.lvxattn.cache.dir")) {
      String value = System.getProperty(property);
      if (value != null) {
        command.add("-D" + property + "=" + value);
      }
    }
    command.addAll(List.of("-cp", TestClassPath.all(), FootprintMain.class.getName(), "10000"));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(output).isZero();
    assertThat(Long.parseLong(output.strip())).as("bytes grown").isLessThan(LIMIT);
  }
}
