// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.AttentionForward;
import org.lvxattn.CpuOptions;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.PartialAttention;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.Whole;
import org.lvxattn.group.Group;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.layer.KeyValueGradients;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.testing.Seeds;

/** Every policy equals the textbook computation, for any split, projection and mask. */
@Timeout(300)
class VisualCheckpointTest {
  private static final double EXACT = 1e-12;

  @Test
  void everyPolicyEqualsTheTextbookOnRandomSplits() {
    for (int seed = 0; seed < 150; seed++) {
      VisualProblem problem = new VisualProblem(Seeds.moved(seed));
      VisualResults expected = VisualTextbook.solve(problem);
      Strategy strategy = Strategy.schedules().get(seed % 4);
      for (RecomputePolicy policy : RecomputePolicy.values()) {
        VisualResults actual = solve(problem, policy, strategy, DType.FLOAT64);
        String where = "seed " + seed + ", " + policy + ", " + strategy + ": " + problem;
        compare(where, actual, expected, EXACT, EXACT);
      }
    }
  }

  @Test
  void otherPrecisionsStayWithinTheContract() {
    Map<DType, double[]> limits = new EnumMap<>(DType.class);
    limits.put(DType.FLOAT32, new double[] {2e-5, 2e-5});
    // Twice the bound of attention alone, since keys and values are also rounded to the dtype.
    limits.put(DType.BFLOAT16, new double[] {1.2e-2, 3.2e-2});
    limits.put(DType.FLOAT16, new double[] {1.6e-3, 4e-3});
    for (int seed = 0; seed < 60; seed++) {
      for (Map.Entry<DType, double[]> limit : limits.entrySet()) {
        VisualProblem problem = new VisualProblem(Seeds.moved(seed));
        if (problem.width < 8) {
          continue; // the gradient of a norm over few numbers cancels almost completely
        }
        try (Device device = Device.cpu(CpuOptions.builder().threads(1).build())) {
          problem.round(device, limit.getKey());
        }
        VisualResults expected = VisualTextbook.solve(problem);
        for (RecomputePolicy policy : RecomputePolicy.values()) {
          VisualResults actual = solve(problem, policy, Strategy.QUERY_RING, limit.getKey());
          String where = "seed " + seed + ", " + limit.getKey() + ", " + policy + ": " + problem;
          compare(where, actual, expected, limit.getValue()[0], limit.getValue()[1]);
        }
      }
    }
  }

  @Test
  void hugeBiasesOnAllKeysStayExactUnderEveryPolicy() {
    int computed = 0;
    for (int seed = 0; computed < 12; seed++) {
      VisualProblem problem = new VisualProblem(Seeds.moved(seed));
      if (problem.bias == null) {
        continue;
      }
      computed++;
      double shared = new double[] {-1e4, -1e9, -Float.MAX_VALUE, 1e9}[computed % 4];
      for (int i = 0; i < problem.bias.values.length; i++) {
        problem.bias.values[i] += shared;
      }
      VisualResults expected = VisualTextbook.solve(problem);
      for (RecomputePolicy policy : RecomputePolicy.values()) {
        VisualResults actual = solve(problem, policy, Strategy.QUERY_RING, DType.FLOAT64);
        compare("seed " + seed + ", " + policy, actual, expected, EXACT, EXACT);
      }
    }
  }

  private static VisualResults solve(
      VisualProblem problem, RecomputePolicy policy, Strategy strategy, DType dtype) {
    VisualResults whole = new VisualResults(problem);
    LocalWorld.run(
        problem.ranks,
        group -> {
          try (VisualRank rank = new VisualRank(problem, group, dtype, strategy);
              VisualCheckpoint checkpoint =
                  VisualCheckpoint.builder(group, rank.features())
                      .closeFeatures()
                      .policy(policy)
                      .tileRows(problem.tileRows)
                      .build();
              VisualForward forward =
                  checkpoint.forward(rank.attention, rank.projection, rank.q, rank.mask);
              KeyValueGradients gradients = rank.projection.newGradients()) {
            checkpoint.backward(forward, null, null, rank.dO, rank.dq, rank.dBias, gradients);
            rank.put(whole, forward, checkpoint, gradients);
          }
          return group.rank();
        });
    return whole;
  }

  private static double[] weight(KeyValueGradients gradients) {
    return Objects.requireNonNull(gradients.weight()).toDoubles();
  }

  private static void compare(
      String where, VisualResults actual, VisualResults expected, double output, double gradient) {
    near(where + ": o", actual.o.values, expected.o.values, output);
    near(where + ": lse", actual.lse.values, expected.lse.values, output);
    near(where + ": dq", actual.dq.values, expected.dq.values, gradient);
    near(where + ": dBias", actual.dBias.values, expected.dBias.values, gradient);
    near(where + ": dFeatures", actual.dFeatures.values, expected.dFeatures.values, gradient);
    expected.gradients.forEach(
        (name, values) -> near(where + ": " + name, actual.gradient(name), values, gradient));
  }

  private static void near(String what, double[] actual, double[] expected, double limit) {
    assertThat(actual).as(what).hasSameSizeAs(expected);
    assertThat(Whole.error(actual, expected)).as(what).isLessThanOrEqualTo(limit);
  }

  @Test
  void gradientsAddUpOverLayersAndCalls() {
    VisualProblem problem = new VisualProblem(11);
    for (RecomputePolicy policy : RecomputePolicy.values()) {
      LocalWorld.run(
          problem.ranks,
          group -> {
            try (VisualRank rank =
                    new VisualRank(problem, group, DType.FLOAT64, Strategy.QUERY_RING);
                VisualCheckpoint checkpoint =
                    VisualCheckpoint.builder(group, rank.features())
                        .closeFeatures()
                        .policy(policy)
                        .build();
                VisualForward first =
                    checkpoint.forward(rank.attention, rank.projection, rank.q, rank.mask);
                VisualForward second =
                    checkpoint.forward(rank.attention, rank.projection, rank.q, rank.mask);
                KeyValueGradients gradients = rank.projection.newGradients()) {
              checkpoint.backward(first, rank.dO, rank.dq, gradients);
              double[] once = checkpoint.featuresGradient().toDoubles();
              double[] weightOnce = weight(gradients);
              checkpoint.backward(second, rank.dO, rank.dq, gradients);
              double[] twice = checkpoint.featuresGradient().toDoubles();
              double[] weightTwice = weight(gradients);
              for (int i = 0; i < once.length; i++) {
                once[i] *= 2;
              }
              for (int i = 0; i < weightOnce.length; i++) {
                weightOnce[i] *= 2;
              }
              near("dFeatures", twice, once, EXACT);
              near("weight", weightTwice, weightOnce, EXACT);
            }
            return group.rank();
          });
    }
  }

  @Test
  void aPartOfALargerSoftmaxGoesBackFromTheMergedResult() {
    VisualProblem problem = new VisualProblem(4);
    for (RecomputePolicy policy : RecomputePolicy.values()) {
      LocalWorld.run(
          problem.ranks,
          group -> {
            try (VisualRank rank =
                    new VisualRank(problem, group, DType.FLOAT64, Strategy.QUERY_RING);
                VisualCheckpoint checkpoint =
                    VisualCheckpoint.builder(group, rank.features())
                        .closeFeatures()
                        .policy(policy)
                        .build();
                VisualForward forward =
                    checkpoint.forward(rank.attention, rank.projection, rank.q, rank.mask);
                KeyValueGradients own = rank.projection.newGradients();
                KeyValueGradients halved = rank.projection.newGradients();
                Tensor o = Tensor.allocateLike(forward.output());
                Tensor lse = Tensor.allocateLike(forward.logSumExp())) {
              // The same keys twice: o is unchanged, lse grows by log 2, and each half has half of
              // dq.
              o.copyFrom(forward.output());
              lse.copyFrom(forward.logSumExp());
              PartialAttention.merge(group.device(), forward.output(), forward.logSumExp(), o, lse);
              checkpoint.backward(forward, rank.dO, rank.dq, own);
              double[] whole = rank.dq.toDoubles();
              checkpoint.backward(forward, o, lse, rank.dO, rank.dq, null, halved);
              for (int i = 0; i < whole.length; i++) {
                whole[i] /= 2;
              }
              near("dq", rank.dq.toDoubles(), whole, EXACT);
              double[] weight = weight(own);
              for (int i = 0; i < weight.length; i++) {
                weight[i] /= 2;
              }
              near("weight", weight(halved), weight, EXACT);
            }
            return group.rank();
          });
    }
  }

  @Test
  void aCacheServesDecodingAndOutlivesTheCheckpoint() {
    VisualProblem problem = new VisualProblem(8);
    VisualResults expected = VisualTextbook.solve(problem);
    VisualResults actual = new VisualResults(problem);
    LocalWorld.run(
        problem.ranks,
        group -> {
          try (VisualRank rank =
              new VisualRank(problem, group, DType.FLOAT64, Strategy.QUERY_GATHER)) {
            VisualCheckpoint checkpoint =
                VisualCheckpoint.builder(group, rank.features()).closeFeatures().build();
            KeyValueCache cache = checkpoint.project(rank.projection);
            checkpoint.close();
            try (cache;
                AttentionForward forward =
                    rank.attention.forward(group, rank.q, cache.key(), cache.value(), rank.mask)) {
              synchronized (actual) {
                int from = problem.queryBegin[group.rank()];
                int to = problem.queryBegin[group.rank() + 1];
                actual.o.put(from, to, forward.output().toDoubles());
              }
            }
          }
          return group.rank();
        });
    near("o", actual.o.values, expected.o.values, EXACT);
  }

  @Test
  void theTileFollowsFromItsBudget() {
    VisualProblem problem = new VisualProblem(2);
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Group group = Group.self(device)) {
      VisualProblem alone = problem.ranks == 1 ? problem : alone(problem);
      try (VisualRank rank = new VisualRank(alone, group, DType.FLOAT32, Strategy.QUERY_RING);
          VisualCheckpoint small =
              VisualCheckpoint.builder(group, rank.features())
                  .closeFeatures()
                  .tileBytes(1)
                  .build();
          VisualCheckpoint large =
              VisualCheckpoint.builder(group, rank.features())
                  .closeFeatures()
                  .tileBytes(1 << 20)
                  .build()) {
        assertThat(small.tileRows(rank.projection)).isEqualTo(1);
        assertThat(large.tileRows(rank.projection)).isBetween(100L, 1L << 20);
      }
    }
  }

  private static VisualProblem alone(VisualProblem ignored) {
    long seed = 0;
    while (new VisualProblem(seed).ranks != 1) {
      seed++;
    }
    return new VisualProblem(seed);
  }

  @Test
  void mistakesAreNamedAndLeaveEverythingUsable() {
    VisualProblem problem = alone(new VisualProblem(0));
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Group group = Group.self(device);
        VisualRank rank = new VisualRank(problem, group, DType.FLOAT64, Strategy.QUERY_RING);
        VisualCheckpoint other =
            VisualCheckpoint.builder(group, rank.features()).closeFeatures().frozen().build();
        Tensor wrong = rank.tensor(new double[3], 3).slice(0, 0, 2)) {
      for (RecomputePolicy policy : RecomputePolicy.values()) {
        try (VisualCheckpoint checkpoint =
                VisualCheckpoint.builder(group, rank.features())
                    .closeFeatures()
                    .policy(policy)
                    .build();
            VisualForward forward =
                checkpoint.forward(rank.attention, rank.projection, rank.q, rank.mask);
            KeyValueGradients gradients = rank.projection.newGradients()) {
          assertThatIllegalArgumentException()
              .isThrownBy(() -> other.backward(forward, rank.dO, rank.dq, gradients))
              .withMessageContaining("another checkpoint");
          assertThatIllegalArgumentException()
              .isThrownBy(
                  () ->
                      checkpoint.backward(
                          forward,
                          rank.dO,
                          rank.dq,
                          KeyValueGradients.builder().weight(wrong).build()))
              .withMessageContaining("gradients.weight");
          assertThatIllegalArgumentException()
              .isThrownBy(
                  () ->
                      checkpoint.forward(
                          CrossAttention.builder().heads(7).headDim(24).build(),
                          rank.projection,
                          rank.q,
                          rank.mask))
              .withMessageContaining("as of attention");
          KeyValueProjection narrow =
              KeyValueProjection.builder()
                  .keyValueHeads(problem.keyHeads)
                  .headDim(problem.headDim)
                  .weight(wrong)
                  .valueWeight(wrong)
                  .build();
          assertThatIllegalArgumentException()
              .isThrownBy(() -> checkpoint.forward(rank.attention, narrow, rank.q, rank.mask))
              .withMessageContaining("projection.weight");
          checkpoint.backward(forward, rank.dO, rank.dq, gradients);
        }
      }
      assertThatIllegalStateException()
          .isThrownBy(other::featuresGradient)
          .withMessageContaining("frozen");
    }
  }

  @Test
  void featuresStayTheirOwnersUnlessTheyAreHandedOver() {
    VisualProblem problem = alone(new VisualProblem(0));
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Group group = Group.self(device);
        VisualRank rank = new VisualRank(problem, group, DType.FLOAT64, Strategy.QUERY_RING);
        Tensor features = rank.features()) {
      double[] before = features.toDoubles();
      VisualCheckpoint.builder(group, features).build().close();
      assertThat(features.toDoubles()).isEqualTo(before);
    }
  }

  @Test
  void closedIsClosed() {
    VisualProblem problem = alone(new VisualProblem(0));
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Group group = Group.self(device);
        VisualRank rank = new VisualRank(problem, group, DType.FLOAT64, Strategy.QUERY_RING)) {
      VisualCheckpoint checkpoint =
          VisualCheckpoint.builder(group, rank.features()).closeFeatures().build();
      Tensor features = checkpoint.features();
      assertThatIllegalStateException()
          .isThrownBy(device::close)
          .withMessageContaining("visual checkpoint");
      checkpoint.close();
      checkpoint.close();
      assertThatIllegalStateException().isThrownBy(features::toDoubles);
      assertThatIllegalStateException()
          .isThrownBy(() -> checkpoint.forward(rank.attention, rank.projection, rank.q, rank.mask))
          .withMessageContaining("closed");
    }
  }

  @Test
  void aRankThatCannotTakePartIsNamedAtOnce() {
    VisualProblem problem = new VisualProblem(0);
    for (long seed = 1; problem.ranks < 3; seed++) {
      problem = new VisualProblem(seed);
    }
    VisualProblem work = problem;
    for (RecomputePolicy policy : RecomputePolicy.values()) {
      List<String> messages =
          LocalWorld.run(
              work.ranks,
              group -> {
                try (VisualRank rank =
                        new VisualRank(work, group, DType.FLOAT64, Strategy.QUERY_RING);
                    VisualCheckpoint checkpoint =
                        VisualCheckpoint.builder(group, rank.features())
                            .closeFeatures()
                            .policy(policy)
                            .build()) {
                  Tensor q = group.rank() == 1 ? rank.projection.weight() : rank.q;
                  String message = "";
                  try {
                    checkpoint.forward(rank.attention, rank.projection, q, rank.mask).close();
                  } catch (IllegalArgumentException | PeerMismatchException e) {
                    message = String.valueOf(e.getMessage());
                  }
                  checkpoint.forward(rank.attention, rank.projection, rank.q, rank.mask).close();
                  return message;
                }
              });
      assertThat(messages.get(0)).contains("rank 1").contains("q is");
      assertThat(messages.get(1)).startsWith("q is");
    }
  }
}
