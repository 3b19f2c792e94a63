// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.LongConsumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.lvxattn.DType;
import org.lvxattn.group.GroupOptions;

/**
 * Faults that only show over time. Runs only with {@code -Dlvx.soak.minutes=N}, each test for N
 * minutes. The seed in a message reproduces a failure.
 */
@Tag("soak")
class SoakTest {
  private static final Duration LENGTH =
      Duration.ofMinutes(Long.parseLong(System.getProperty("lvx.soak.minutes", "1")));

  /** Bytes that allocators and the JVM may keep, independent of the duration. */
  private static final long SLACK_KILOBYTES = 64 << 10;

  @Test
  void randomProblems() {
    repeat(
        seed -> {
          Workload work = RandomWorkload.of(seed, DType.FLOAT64);
          Solve.onRanks(work)
              .assertClose(Solve.byOracle(work), 1e-12, "seed " + seed + ": " + work);
        });
  }

  @Test
  void worldsThatBreakLeaveNothingBehind() throws IOException {
    LongConsumer brokenWorld =
        seed -> {
          Workload work = RandomWorkload.of(seed, DType.FLOAT32);
          int offender = (int) (seed % work.ranks());
          Throwable failure =
              catchThrowable(
                  () ->
                      Ranks.run(
                          work.ranks(),
                          GroupOptions.defaults(),
                          group -> {
                            try (RankTensors own =
                                new RankTensors(work, work.dtype, group.device(), group.rank())) {
                              own.forward(group);
                              if (group.rank() == offender) {
                                throw new ArithmeticException("seed " + seed);
                              }
                              own.backward(group);
                            }
                          }));
          assertThat(failure).isInstanceOf(ArithmeticException.class);
        };
    for (long seed = 1; seed < 2000; seed++) {
      brokenWorld.accept(seed);
    }
    long before = residentKilobytes();
    repeat(brokenWorld);
    assertThat(residentKilobytes() - before).isLessThan(SLACK_KILOBYTES);
  }

  private static void repeat(LongConsumer round) {
    long end = System.nanoTime() + LENGTH.toNanos();
    for (long seed = 1_000_000; System.nanoTime() < end; seed++) {
      round.accept(seed);
    }
  }

  private static long residentKilobytes() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmRSS:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
        .findFirst()
        .orElseThrow();
  }
}
