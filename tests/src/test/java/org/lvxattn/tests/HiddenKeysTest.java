// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.lvxattn.DType;
import org.lvxattn.Strategy;

/** The values of keys that no query sees change no bit of forward or backward. */
@Timeout(120)
class HiddenKeysTest {
  /** The whole third rank is hidden, and parts of the others. */
  private static final int[] KEYS = {7, 20, 6, 9};

  private static final int[] QUERIES = {3, 2, 1, 2};
  private static final int HIDDEN_FROM = 22;
  private static final int HIDDEN_TO = 37;

  static Stream<Arguments> everything() {
    return Strategy.schedules().stream()
        .flatMap(
            strategy ->
                Stream.of(DType.FLOAT64, DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16)
                    .map(dtype -> Arguments.of(strategy, dtype)));
  }

  @ParameterizedTest
  @MethodSource("everything")
  void garbageInHiddenKeysChangesNoBit(Strategy strategy, DType dtype) {
    for (boolean withBias : new boolean[] {false, true}) {
      Results clean = Solve.onRanks(work(strategy, dtype, withBias));
      assertThat(clean.tensor("dk")).doesNotContain(Double.NaN);
      for (double garbage :
          new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
        Workload spoilt = work(strategy, dtype, withBias).fillKeys(HIDDEN_FROM, HIDDEN_TO, garbage);
        Solve.onRanks(spoilt).assertSameBits(clean, garbage + " in " + spoilt);
      }
      assertThat(hidden(clean.tensor("dk"))).containsOnly(0);
      assertThat(hidden(clean.tensor("dv"))).containsOnly(0);
    }
  }

  /**
   * The first half of the queries sees keys before the hidden ones, the other half keys after them;
   * one query sees both.
   */
  private static Workload work(Strategy strategy, DType dtype, boolean withBias) {
    Workload work = new Workload(dtype, 1, 8, 4, 16, QUERIES, KEYS, 21).with(strategy);
    work.visible(
        0, 22, 0, 0, //
        0, 5, 5, 9, //
        3, 22, 37, 42, //
        20, 22, 38, 40, //
        37, 38, 39, 99, //
        0, 0, 41, 42, //
        6, 7, 37, 42, //
        0, 0, 0, 0);
    work.rangesPerQuery = 2;
    return withBias ? work.withBias(22) : work;
  }

  private static double[] hidden(double[] keys) {
    int width = keys.length / 42;
    return Arrays.copyOfRange(keys, HIDDEN_FROM * width, HIDDEN_TO * width);
  }
}
