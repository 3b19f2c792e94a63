// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.Strategy;

/** {@code lvx verify --group gloo}, which starts its ranks as processes. */
@Timeout(180)
class VerifyProcessesTest {
  @TempDir private Path folder;

  @Test
  void twoProcessesPassByEveryStrategy() throws Exception {
    Path golden = Goldens.file("plain_bias_full_d64");
    Lvx lvx = run(golden.toString(), "--ranks", "2", "--strategy", "all", "--dtype", "bfloat16");
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    assertThat(lvx.out().lines()).hasSize(1);
    assertThat(lvx.json()).containsEntry("group", "gloo");
    assertThat(lvx.objects("cases"))
        .hasSize(Strategy.schedules().size())
        .allSatisfy(
            entry ->
                assertThat(entry).containsEntry("status", "passed").containsEntry("ranks", 2L));
  }

  /** After a case that no process computes, all processes must continue with the same case. */
  @Test
  void whatIsSkippedOrBrokenDoesNotPartTheProcesses() throws Exception {
    Path broken = Files.writeString(folder.resolve("broken.safetensors"), "nonsense and more");
    Path golden = Goldens.file("plain_gqa4_d128");
    Lvx lvx = run(broken.toString(), golden.toString(), "--ranks", "3", "--strategy", "all");
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isEqualTo(1);
    assertThat(statuses(lvx, "broken")).hasSize(Strategy.schedules().size()).containsOnly("failed");
    // Four heads cannot be divided among three ranks.
    assertThat(statuses(lvx, "plain_gqa4_d128"))
        .hasSize(Strategy.schedules().size())
        .containsOnlyOnce("skipped")
        .containsOnly("passed", "skipped");
  }

  private static List<@Nullable Object> statuses(Lvx lvx, String name) {
    return lvx.objects("cases").stream()
        .filter(entry -> name.equals(entry.get("case")))
        .map(entry -> entry.get("status"))
        .toList();
  }

  /** Runs the command in a separate JVM, whose standard output rank 0 shares. */
  private Lvx run(String... arguments) throws IOException, InterruptedException {
    Path out = folder.resolve("out");
    Path err = folder.resolve("err");
    List<String> command =
        Stream.concat(
                Stream.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "--enable-native-access=ALL-UNNAMED",
                    "-cp",
                    System.getProperty("java.class.path"),
                    Main.class.getName(),
                    "verify",
                    "--group",
                    "gloo",
                    "--json"),
                Stream.of(arguments))
            .toList();
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
    builder.environment().remove("RANK");
    Process process = builder.start();
    try {
      assertThat(process.waitFor(150, TimeUnit.SECONDS)).as("lvx verify has ended").isTrue();
    } finally {
      process.destroy();
    }
    return new Lvx(process.exitValue(), Files.readString(out), Files.readString(err));
  }
}
