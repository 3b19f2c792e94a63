// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.oracle.Bounds;
import org.lvxattn.testing.Seeds;

/**
 * Checks that this library has none of the faults of the published LV-XAttn code (arXiv
 * 2502.02406).
 */
@Timeout(120)
class PublishedFaultsTest {
  private static final double EXACT = 1e-12;

  /** There, the running log-sum-exp starts at 0, which adds a key with logit 0 and value 0. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void noPhantomKey(int ranks) {
    int[] sizes = even(2 * ranks, ranks);
    Workload work = new Workload(DType.FLOAT64, 1, 2, 2, 8, sizes, even(30, ranks), 1);
    // With an extra key of logit 0, keys with logits of -40 would have no weight.
    Arrays.fill(work.q, 1);
    Arrays.fill(work.k, -5);
    work.scale = 1;
    Results results = Solve.onRanks(work);
    for (double lse : results.tensor("lse")) {
      assertThat(lse).isCloseTo(-40 + Math.log(30), within(1e-12));
    }
    results.assertClose(Solve.byOracle(work), EXACT, work);
  }

  /** There, a rank of an odd number of ranks returns its neighbour's output. */
  @ParameterizedTest
  @ValueSource(ints = {1, 3, 5, 7, 9})
  void everyRankGetsItsOwnOutputAlsoInOddWorlds(int ranks) {
    for (Strategy strategy : Strategy.schedules()) {
      // A number of heads that HEAD_ALL_TO_ALL can divide, too.
      int[] sizes = even(2 * ranks, ranks);
      Workload work =
          new Workload(DType.FLOAT64, 1, 2 * ranks, ranks, 8, sizes, even(4 * ranks, ranks), 2)
              .with(strategy);
      Solve.onRanks(work).assertClose(Solve.byOracle(work), EXACT, work);
    }
  }

  /** There, logits above about 88 overflow float32. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"FLOAT64", "FLOAT32", "BFLOAT16", "FLOAT16"})
  void largeLogitsAreSafe(DType dtype) {
    Workload work = new Workload(dtype, 1, 2, 1, 64, new int[] {3, 4, 2}, new int[] {9, 2, 12}, 3);
    // Logits of 320 on average, with the usual differences.
    work.bias = new double[work.allKeys()];
    Arrays.fill(work.bias, 320);
    Results results = Solve.onRanks(work);
    Results oracle = Solve.byOracle(work);
    assertThat(Arrays.stream(oracle.tensor("lse")).min().orElseThrow()).isGreaterThan(310);
    for (String name : oracle.tensors.keySet()) {
      assertThat(results.error(name, oracle))
          .as("%s of %s", name, work)
          .isLessThanOrEqualTo(Bounds.of(dtype, name, true));
    }
  }

  /** There, lengths are multiples of 32. */
  @ParameterizedTest
  @ValueSource(ints = {1, 7, 31, 33, 47, 65})
  void anyLength(int length) {
    int[] queries = {length, 1, 0};
    int[] keys = {2, length, length + 1};
    Workload work = new Workload(DType.FLOAT64, 2, 2, 1, 16, queries, keys, 4);
    Solve.onRanks(work).assertClose(Solve.byOracle(work), EXACT, work);
  }

  /** There, backward is wrong where several query heads share a key head. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 8})
  void queryHeadsThatShareAKeyHead(int sharing) {
    int[] queries = {3, 2, 4};
    int[] keys = {5, 8, 1};
    Workload work = new Workload(DType.FLOAT64, 2, 2 * sharing, 2, 16, queries, keys, 5);
    Solve.onRanks(work).assertClose(Solve.byOracle(work), EXACT, work);
  }

  /**
   * There, half precision is accumulated over the hops of the ring. Here, a number is rounded at
   * most twice, before it is sent to its home rank and on the home rank, for any number of ranks.
   * So an output of numbers of one sign has an error of at most two halves of a unit in the last
   * place of its largest number.
   */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BFLOAT16", "FLOAT16"})
  void roundingDoesNotGrowWithTheNumberOfRanks(DType dtype) {
    int[] queries = {16};
    int[] keys = {16 * 12};
    Workload whole = new Workload(dtype, 1, 2, 2, 64, queries, keys, 6);
    double unit = dtype == DType.BFLOAT16 ? 0x1p-7 : 0x1p-10; // in the last place, from 1 to 2
    for (int i = 0; i < whole.v.length; i++) {
      whole.v[i] = 1 + unit * (i * 31 % 100);
    }
    Results oracle = Solve.byOracle(whole);
    double largest = Arrays.stream(oracle.tensor("o")).max().orElseThrow();
    assertThat(largest).isBetween(1.0, 2.0);
    for (int ranks = 1; ranks <= 16; ranks++) {
      Workload work = whole.onRanks(even(16, ranks), even(keys[0], ranks));
      Results results = Solve.onRanks(work);
      assertThat(results.error("o", oracle) * largest).as("o of %s", work).isLessThan(1.001 * unit);
    }
    Workload usual = new Workload(dtype, 1, 2, 2, 64, queries, keys, 6);
    Results expected = Solve.byOracle(usual);
    for (int ranks = 1; ranks <= 16; ranks++) {
      Workload work = usual.onRanks(even(16, ranks), even(keys[0], ranks));
      Results results = Solve.onRanks(work);
      for (String name : expected.tensors.keySet()) {
        assertThat(results.error(name, expected))
            .as("%s of %s", name, work)
            .isLessThanOrEqualTo(Bounds.of(dtype, name, false));
      }
    }
  }

  /** There, backward sends o in addition to q, dO, lse and dq. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"FLOAT64", "FLOAT32", "BFLOAT16", "FLOAT16"})
  void theOutputStaysAtHomeInBackward(DType dtype) {
    for (int headDim : new int[] {64, 80, 128, 256}) {
      int ranks = 3;
      Workload work = new Workload(dtype, 1, 4, 2, headDim, even(12, ranks), even(15, ranks), 7);
      long sent = Arrays.stream(Solve.onRanks(work).backwardBytes).sum();
      long block = 12L * work.heads * headDim * dtype.bytes();
      long rows = 12L * work.heads * dtype.accumulator().bytes();
      long published = (ranks - 1) * (4 * block + rows);
      assertThat(sent).isEqualTo((ranks - 1) * (3 * block + 2 * rows));
      assertThat(sent).isLessThanOrEqualTo(published * 77 / 100);
    }
  }

  /** There, gradients are not returned where K and V are recomputed. These are the true ones. */
  @Test
  void gradientsAreDerivatives() {
    Workload work =
        new Workload(DType.FLOAT64, 1, 4, 2, 8, new int[] {2, 1, 3}, new int[] {4, 0, 5}, 8)
            .withBias(9);
    Results results = Solve.onRanks(work);
    derivative(work, work.q, results, "dq");
    derivative(work, work.k, results, "dk");
    derivative(work, work.v, results, "dv");
    derivative(work, Objects.requireNonNull(work.bias), results, "dBias");
  }

  /** The directional derivative of sum(dO * o) equals the inner product with the gradient. */
  private static void derivative(Workload work, double[] input, Results results, String name) {
    double[] before = input.clone();
    double[] direction = Seeds.random(10).doubles(input.length, -1, 1).toArray();
    double step = 1e-5;
    double change =
        loss(work, input, before, direction, step) - loss(work, input, before, direction, -step);
    System.arraycopy(before, 0, input, 0, input.length);
    double expected = 0;
    for (int i = 0; i < input.length; i++) {
      expected += results.tensor(name)[i] * direction[i];
    }
    assertThat(Math.abs(expected)).as(name).isGreaterThan(1e-3);
    assertThat(Math.abs(change / (2 * step) / expected - 1)).as(name).isLessThan(1e-7);
  }

  private static double loss(
      Workload work, double[] input, double[] before, double[] direction, double step) {
    for (int i = 0; i < before.length; i++) {
      input[i] = before[i] + step * direction[i];
    }
    double[] o = Solve.onRanks(work).tensor("o");
    double loss = 0;
    for (int i = 0; i < o.length; i++) {
      loss += work.dO[i] * o[i];
    }
    return loss;
  }

  /** There, there are no masks. Hiding a key by a range and by a bias must give the same result. */
  @ParameterizedTest
  @EnumSource
  void masksHideKeys(Strategy strategy) {
    int[] queries = {2, 3, 1};
    int[] keys = {4, 3, 5};
    int[] bounds = {0, 12, 3, 7, 5, 5, 11, 12, 0, 1, 4, 9};
    Workload ranges =
        new Workload(DType.FLOAT64, 2, 6, 3, 8, queries, keys, 11).with(strategy).visible(bounds);
    Workload bias = new Workload(DType.FLOAT64, 2, 6, 3, 8, queries, keys, 11).with(strategy);
    bias.biasRows = 6;
    double[] hiding = new double[6 * 12];
    for (int i = 0; i < hiding.length; i++) {
      int key = i % 12;
      boolean seen = key >= bounds[i / 12 * 2] && key < bounds[i / 12 * 2 + 1];
      hiding[i] = seen ? 0 : Double.NEGATIVE_INFINITY;
    }
    bias.bias = hiding;
    Results byRanges = Solve.onRanks(ranges);
    Results byBias = Solve.onRanks(bias);
    Results oracle = Solve.byOracle(ranges);
    byRanges.assertClose(oracle, EXACT, ranges);
    byBias.assertClose(oracle, EXACT, bias);
    // The third query sees nothing.
    assertThat(byRanges.tensor("lse")).contains(Double.NEGATIVE_INFINITY);
    double[] third = Arrays.copyOfRange(byRanges.tensor("o"), 2 * 48, 3 * 48);
    assertThat(third).containsOnly(0);
  }

  private static int[] even(int rows, int ranks) {
    int[] sizes = new int[ranks];
    for (int rank = 0; rank < ranks; rank++) {
      sizes[rank] = rows / ranks + (rank < rows % ranks ? 1 : 0);
    }
    return sizes;
  }
}
