// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.lvxattn.AttentionForward;
import org.lvxattn.AttentionGradients;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.PartialAttention;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.errors.EntryError;
import org.lvxattn.errors.RelativeError;
import org.lvxattn.group.Group;
import org.lvxattn.oracle.Bounds;
import org.lvxattn.testing.Seeds;

/** Results are as exact with biases of any finite size as with small ones, over any ranks. */
@Timeout(300)
class HugeBiasTest {
  private static final double[] HUGE = {
    -1e4, -65504, -1e9, -Float.MAX_VALUE, 1e4, 65504, 1e9, 3e38
  };
  private static final int[] QUERIES = {5, 0, 9, 2};
  private static final int[] KEYS = {0, 31, 17, 40};
  private static final int HEADS = 8;
  private static final int KEY_HEADS = 4;
  private static final int HEAD_DIM = 32;

  /** How entries are chosen. */
  private enum Kind {
    CONSTANT_ROWS,
    SOME,
    MIXED,
    SPREAD
  }

  static Stream<Arguments> everything() {
    List<DType> dtypes = List.of(DType.FLOAT64, DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16);
    return Strategy.schedules().stream()
        .flatMap(strategy -> dtypes.stream().map(dtype -> Arguments.of(strategy, dtype)));
  }

  @ParameterizedTest
  @MethodSource("everything")
  void everyStrategyIsExactAndGivesTheSameBits(Strategy strategy, DType dtype) {
    for (Kind kind : Kind.values()) {
      Workload work = work(dtype, kind, strategy.name().hashCode()).with(strategy);
      Results expected = Solve.byOracle(work);
      Results results = Solve.onRanks(work);
      for (String name : expected.tensors.keySet()) {
        if (!name.equals("lse")) {
          assertThat(results.error(name, expected))
              .as("%s of %s, %s", name, work, kind)
              .isLessThanOrEqualTo(Bounds.of(dtype, name, false));
        }
      }
      assertThat(EntryError.of(results.tensor("lse"), expected.tensor("lse")))
          .as("lse of %s, %s", work, kind)
          .isLessThanOrEqualTo(5e-6);
      Solve.onRanks(work).assertSameBits(results, work);
    }
  }

  private static Workload work(DType dtype, Kind kind, long seed) {
    Workload work =
        new Workload(
            dtype, 2, HEADS, KEY_HEADS, HEAD_DIM, QUERIES, KEYS, seed + kind.name().hashCode());
    Random random = Seeds.random(seed);
    work.wideBias = true;
    work.biasBatch = random.nextBoolean() ? 1 : 2;
    work.biasHeads = random.nextBoolean() ? 1 : HEADS;
    work.biasRows = work.allQueries();
    int keys = work.allKeys();
    double[] bias = new double[work.biasBatch * work.biasHeads * work.biasRows * keys];
    double ofRow = 0;
    for (int i = 0; i < bias.length; i++) {
      if (i % keys == 0) {
        ofRow = HUGE[random.nextInt(HUGE.length)];
      }
      bias[i] =
          switch (kind) {
            case CONSTANT_ROWS -> ofRow;
            case SOME -> random.nextInt(3) == 0 ? -Math.abs(ofRow) : 0;
            case MIXED ->
                random.nextInt(4) == 0
                    ? Double.NEGATIVE_INFINITY
                    : HUGE[random.nextInt(HUGE.length)];
            case SPREAD -> ofRow + random.nextInt(9);
          };
      bias[i] = (float) bias[i];
    }
    work.bias = bias;
    return work;
  }

  /** One rank's tensors, and attention over them. */
  private static final class Rank implements AutoCloseable {
    final Device device = Device.cpu();
    final Group group = Group.self(device);
    final CrossAttention attention =
        CrossAttention.builder().heads(2).keyValueHeads(1).headDim(16).build();
    final Tensor q = random(1, 1, 7, 2, 16);
    final Tensor k = random(2, 1, 90, 1, 16);
    final Tensor v = random(3, 1, 90, 1, 16);
    final Tensor dO = random(4, 1, 7, 2, 16);

    private Tensor random(long seed, long... shape) {
      Tensor tensor = Tensor.allocate(device, DType.FLOAT32, shape);
      return tensor.copyFrom(Seeds.random(seed).doubles(tensor.elements(), -1, 1).toArray());
    }

    Tensor bias(double value, long keys) {
      Tensor bias = Tensor.allocate(device, DType.FLOAT32, 1, 1, 1, keys);
      double[] values = new double[(int) keys];
      Arrays.fill(values, value);
      return bias.copyFrom(values);
    }

    @Override
    public void close() {
      for (Tensor tensor : new Tensor[] {q, k, v, dO}) {
        tensor.close();
      }
      group.close();
      device.close();
    }
  }

  @Test
  void whatAllKeysShareChangesLogSumExpAlone() {
    try (Rank rank = new Rank();
        AttentionForward plain = rank.attention.forward(rank.group, rank.q, rank.k, rank.v);
        AttentionGradients gradients = rank.attention.backward(rank.group, plain, rank.dO)) {
      for (double shared : HUGE) {
        try (Tensor bias = rank.bias(shared, 90);
            AttentionForward biased =
                rank.attention.forward(rank.group, rank.q, rank.k, rank.v, Mask.bias(bias));
            AttentionGradients others = rank.attention.backward(rank.group, biased, rank.dO)) {
          assertThat(RelativeError.of(biased.output().toDoubles(), plain.output().toDoubles()))
              .as("o, %s", shared)
              .isLessThan(1e-6);
          assertThat(RelativeError.of(others.query().toDoubles(), gradients.query().toDoubles()))
              .as("dq, %s", shared)
              .isLessThan(1e-6);
          assertThat(RelativeError.of(others.key().toDoubles(), gradients.key().toDoubles()))
              .as("dk, %s", shared)
              .isLessThan(1e-6);
          assertThat(biased.logSumExp().shape()).containsExactly(1, 2, 7);
          assertThat(biased.logSumExpWithTerms().shape()).containsExactly(3, 1, 2, 7);
          double[] lse = biased.logSumExp().toDoubles();
          double[] expected = plain.logSumExp().toDoubles();
          for (int i = 0; i < lse.length; i++) {
            assertThat(lse[i]).isCloseTo(shared + expected[i], within(1e-7 * Math.abs(shared)));
          }
        }
      }
    }
  }

  /** Both halves of the keys have their own bias; without the terms of lse, o would be wrong. */
  @Test
  void partsMergeByTheTermsOfTheirLogSumExp() {
    for (double[] shared :
        new double[][] {{-1e9, -1e9}, {-1e4, -65504}, {1e9, 3e38}, {-3e38, 3e38}}) {
      try (Rank rank = new Rank();
          Tensor first = rank.bias(shared[0], 40);
          Tensor second = rank.bias(shared[1], 50);
          Tensor all = rank.bias(shared[0], 90);
          AttentionForward part =
              rank.attention.forward(
                  rank.group,
                  rank.q,
                  rank.k.slice(1, 0, 40),
                  rank.v.slice(1, 0, 40),
                  Mask.bias(first));
          AttentionForward into =
              rank.attention.forward(
                  rank.group,
                  rank.q,
                  rank.k.slice(1, 40, 90),
                  rank.v.slice(1, 40, 90),
                  Mask.bias(second))) {
        all.slice(3, 40, 90).copyFrom(second.toDoubles());
        try (AttentionForward whole =
            rank.attention.forward(rank.group, rank.q, rank.k, rank.v, Mask.bias(all))) {
          assertThatThrownBy(
                  () ->
                      PartialAttention.merge(
                          rank.device,
                          part.output(),
                          part.logSumExpWithTerms(),
                          into.output(),
                          into.logSumExp()))
              .isInstanceOf(IllegalArgumentException.class)
              .hasMessageContaining("lse with its terms");
          PartialAttention.merge(
              rank.device,
              part.output(),
              part.logSumExpWithTerms(),
              into.output(),
              into.logSumExpWithTerms());
          assertThat(RelativeError.of(into.output().toDoubles(), whole.output().toDoubles()))
              .as("%s", Arrays.toString(shared))
              .isLessThan(1e-6);
          assertThat(
                  EntryError.of(
                      into.logSumExpWithTerms().toDoubles(),
                      whole.logSumExpWithTerms().toDoubles()))
              .as("%s", Arrays.toString(shared))
              .isLessThan(1e-6);
        }
      }
    }
  }

  @Test
  void gradientsFromLogSumExpAloneAreRefusedWhereItHoldsNothingElse() {
    try (Rank rank = new Rank();
        Tensor huge = rank.bias(-1e4, 90);
        Tensor small = rank.bias(-100, 90);
        Tensor o = Tensor.allocate(rank.device, DType.FLOAT32, rank.q.shape());
        Tensor lse = Tensor.allocate(rank.device, DType.FLOAT32, 1, 2, 7);
        Tensor dq = Tensor.allocate(rank.device, DType.FLOAT32, rank.q.shape());
        Tensor dk = Tensor.allocate(rank.device, DType.FLOAT32, rank.k.shape());
        Tensor dv = Tensor.allocate(rank.device, DType.FLOAT32, rank.v.shape())) {
      Statistics cost = Statistics.create();
      for (Tensor bias : new Tensor[] {small, huge}) {
        Mask mask = Mask.bias(bias);
        rank.attention.forwardInto(
            rank.group,
            new AttentionInputs(rank.q, rank.k, rank.v, mask),
            new AttentionOutputs(o, lse),
            cost);
        Runnable backward =
            () ->
                rank.attention.backwardInto(
                    rank.group,
                    new AttentionInputs(rank.q, rank.k, rank.v, mask),
                    new AttentionOutputs(o, lse),
                    rank.dO,
                    new GradientOutputs(dq, dk, dv, null),
                    cost);
        if (bias == small) {
          backward.run();
        } else {
          assertThatThrownBy(backward::run)
              .isInstanceOf(IllegalArgumentException.class)
              .hasMessageContaining("lse: expected [3, batch, heads, sequence]");
        }
      }
    }
  }
}
