// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.DType;
import org.lvxattn.Strategy;

/** The result does not depend on how queries and keys are sharded. */
@Timeout(300)
class ShardsTest {
  private static final double EXACT = 1e-12;

  @Test
  void fiveHundredRandomProblemsEqualTheOracle() {
    for (long seed = 1; seed <= 500; seed++) {
      Workload work = RandomWorkload.of(seed, DType.FLOAT64);
      Results results = Solve.onRanks(work);
      String problem = "seed " + seed + ": " + work;
      results.assertClose(Solve.byOracle(work), EXACT, problem);
      results.assertClose(Solve.onRanks(work.onOneRank()), EXACT, problem);
    }
  }

  @ParameterizedTest
  @EnumSource
  void twoRunsGiveTheSameBits(Strategy strategy) {
    for (DType dtype : new DType[] {DType.FLOAT64, DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16}) {
      Workload work =
          new Workload(dtype, 2, 8, 4, 24, new int[] {5, 0, 9, 3}, new int[] {40, 13, 1, 77}, 31)
              .with(strategy)
              .withBias(32);
      Results first = Solve.onRanks(work);
      for (int run = 0; run < 5; run++) {
        Solve.onRanks(work).assertSameBits(first, work);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void ranksWithoutAnything(Strategy strategy) {
    check(strategy, new int[] {0, 5, 0, 2}, new int[] {0, 9, 4, 0});
  }

  @ParameterizedTest
  @EnumSource
  void moreRanksThanKeys(Strategy strategy) {
    check(strategy, new int[] {1, 2, 1, 1, 0, 1, 3, 1}, new int[] {0, 0, 1, 0, 0, 1, 0, 0});
  }

  @ParameterizedTest
  @EnumSource
  void ranksWithoutQueries(Strategy strategy) {
    check(strategy, new int[] {0, 0, 3, 0}, new int[] {7, 2, 5, 1});
  }

  @ParameterizedTest
  @EnumSource
  void noQueriesAtAll(Strategy strategy) {
    check(strategy, new int[] {0, 0, 0, 0}, new int[] {7, 2, 5, 1});
  }

  @ParameterizedTest
  @EnumSource
  void noKeysAtAll(Strategy strategy) {
    Results results = check(strategy, new int[] {2, 1, 0, 3}, new int[] {0, 0, 0, 0});
    assertThat(results.tensor("o")).containsOnly(0);
    assertThat(results.tensor("lse")).containsOnly(Double.NEGATIVE_INFINITY);
    assertThat(results.tensor("dq")).containsOnly(0);
  }

  private static Results check(Strategy strategy, int[] queries, int[] keys) {
    Workload work = new Workload(DType.FLOAT64, 2, 16, 8, 8, queries, keys, 33).with(strategy);
    Results results = Solve.onRanks(work);
    results.assertClose(Solve.byOracle(work), EXACT, work);
    return results;
  }
}
