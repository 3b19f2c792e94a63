// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.CpuOptions;
import org.lvxattn.Device;

/** A CPU device counts processors as its JVM does. */
@Timeout(120)
class ProcessorCountTest {
  /** Started with a number of processors by the test. */
  static final class Counting {
    private Counting() {}

    public static void main(String[] arguments) {
      try (Device device = Device.cpu();
          Device one = Device.cpu(CpuOptions.builder().threads(1).build())) {
        System.out.println("THREADS " + device.threads() + " and " + one.threads());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void aCpuDeviceHasThreadsForTheProcessorsThatTheJvmCounts(int processors) throws Exception {
    assertThat(linesOf("-XX:ActiveProcessorCount=" + processors))
        .contains("THREADS " + processors + " and 1");
  }

  private static List<String> linesOf(String option) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                option,
                "-Xmx128m",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                Counting.class.getName())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    return output.lines().toList();
  }
}
