// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.Pass;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.layer.KeyValueGradients;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.layer.Norm;
import org.lvxattn.visual.VisualCheckpoint;
import org.lvxattn.visual.VisualForward;

/** Memory and bytes of visual checkpoints equal the plan. */
@Timeout(300)
class VisualPlanTest {
  private static final int LAYERS = 3;
  private static final int TILE = 96;

  /** So small that there are more tiles than are summed in float32 alone. */
  private static final int SMALL_TILE = 12;

  /** Measurements of one rank. */
  private record Counts(
      long peak,
      Statistics forward,
      Statistics backward,
      long plannedPeak,
      long plannedForward,
      long plannedBackward,
      VisualPlan plan) {}

  @Test
  void peaksAndBytesAreAsPlannedForEveryPolicy() {
    for (DType dtype : List.of(DType.FLOAT64, DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16)) {
      for (int ranks = 1; ranks <= 3; ranks++) {
        for (boolean norms : new boolean[] {false, true}) {
          for (RecomputePolicy policy : RecomputePolicy.values()) {
            check(dtype, ranks, norms, policy, TILE);
          }
          check(dtype, ranks, norms, RecomputePolicy.RECOMPUTE_TILED, SMALL_TILE);
        }
      }
    }
  }

  private static void check(
      DType dtype, int ranks, boolean norms, RecomputePolicy policy, int tile) {
    VisualSizes features = new VisualSizes(1, 64, 2, 16, norms, norms, dtype);
    AttentionSizes sizes = new AttentionSizes(1, 4, 2, 16, dtype);
    AttentionProblem problem = AttentionProblem.of(sizes, Shards.even(100, 2500, ranks));
    List<Counts> counts =
        LocalWorld.run(ranks, group -> measure(group, features, problem, policy, tile));
    for (int rank = 0; rank < ranks; rank++) {
      String where = dtype + ", " + ranks + " ranks, norms " + norms + ", " + policy + " " + tile;
      Counts counted = counts.get(rank);
      long planned = counted.plannedPeak();
      assertThat(counted.peak()).as(where).isCloseTo(planned, within(planned / 20));
      if (policy == RecomputePolicy.RECOMPUTE_TILED) {
        VisualPlan plan = counted.plan();
        assertThat(counted.forward().bytesSent())
            .as(where)
            .isEqualTo(plan.tiledBytesSent(Pass.FORWARD, rank));
        assertThat(counted.backward().bytesSent())
            .as(where)
            .isEqualTo(plan.tiledBytesSent(Pass.BACKWARD, rank));
        assertThat(counted.forward().strategy()).isEqualTo(Strategy.QUERY_GATHER);
        assertThat(counted.forward().peakBytes()).as(where).isEqualTo(counted.plannedForward());
        assertThat(counted.backward().peakBytes()).as(where).isEqualTo(counted.plannedBackward());
      }
    }
  }

  private static Counts measure(
      Group group, VisualSizes sizes, AttentionProblem problem, RecomputePolicy policy, int tile) {
    Device device = group.device();
    DType dtype = sizes.dtype();
    long rows = problem.shards().keys(group.rank());
    long queries = problem.shards().queries(group.rank());
    int keyWidth = sizes.keyValueHeads() * sizes.headDim();
    List<Tensor> own = new ArrayList<>();
    KeyValueProjection.Builder builder =
        KeyValueProjection.builder()
            .keyValueHeads(sizes.keyValueHeads())
            .headDim(sizes.headDim())
            .weight(add(own, Tensor.allocate(device, dtype, keyWidth, sizes.width())))
            .valueWeight(add(own, Tensor.allocate(device, dtype, keyWidth, sizes.width())));
    if (sizes.inputNorm()) {
      Tensor ones = add(own, Tensor.allocate(device, dtype, sizes.width()));
      builder.inputNorm(Norm.RMS, 1e-5, ones, null);
    }
    if (sizes.keyNorm()) {
      builder.keyNorm(1e-5, add(own, Tensor.allocate(device, dtype, sizes.headDim())));
    }
    KeyValueProjection projection = builder.build();
    AttentionSizes attentionSizes = problem.sizes();
    CrossAttention attention =
        CrossAttention.builder()
            .heads(attentionSizes.heads())
            .keyValueHeads(attentionSizes.keyValueHeads())
            .headDim(attentionSizes.headDim())
            .build();
    long[] shape = {1, queries, attentionSizes.heads(), attentionSizes.headDim()};
    Tensor q = add(own, Tensor.allocate(device, dtype, shape));
    Tensor dO = add(own, Tensor.allocate(device, dtype, shape));
    Tensor dq = add(own, Tensor.allocate(device, dtype, shape));
    KeyValueGradients gradients = projection.newGradients();
    VisualPlan plan =
        new VisualPlan(
            sizes, problem, LAYERS, attention.strategy(), tile, KernelScratch.of(device));
    long before = device.bytesInUse();
    List<VisualForward> layers = new ArrayList<>();
    Statistics backward = Statistics.create();
    try (VisualCheckpoint checkpoint =
        VisualCheckpoint.builder(group, Tensor.allocate(device, dtype, 1, rows, sizes.width()))
            .closeFeatures()
            .policy(policy)
            .tileRows(tile)
            .build()) {
      for (int layer = 0; layer < LAYERS; layer++) {
        layers.add(checkpoint.forward(attention, projection, q, Mask.none()));
      }
      for (VisualForward layer : layers.reversed()) {
        backward = checkpoint.backward(layer, dO, dq, gradients);
      }
    }
    Counts counts =
        new Counts(
            device.peakBytes() - before,
            layers.get(0).statistics(),
            backward,
            plan.peakBytes(policy, Pass.BOTH, group.rank()),
            plan.workspaceBytes(policy, Pass.FORWARD, group.rank()),
            plan.workspaceBytes(policy, Pass.BACKWARD, group.rank()),
            plan);
    layers.forEach(VisualForward::close);
    gradients.close();
    own.forEach(Tensor::close);
    return counts;
  }

  private static Tensor add(List<Tensor> list, Tensor tensor) {
    list.add(tensor);
    return tensor;
  }

  @Test
  void aTiledLayerNeedsNoMoreForMoreFrames() {
    VisualPlan few = plan(128);
    VisualPlan many = plan(1280);
    assertThat(many.workspaceBytes(RecomputePolicy.RECOMPUTE_TILED, Pass.BOTH, 0))
        .isEqualTo(few.workspaceBytes(RecomputePolicy.RECOMPUTE_TILED, Pass.BOTH, 0));
    assertThat(many.workspaceBytes(RecomputePolicy.RECOMPUTE, Pass.BOTH, 0))
        .isGreaterThan(8 * few.workspaceBytes(RecomputePolicy.RECOMPUTE, Pass.BOTH, 0));
  }

  @Test
  void moreTilesThanFloat32AddsUpNeedTotals() {
    AttentionSizes sizes = new AttentionSizes(1, 32, 8, 128, DType.BFLOAT16);
    long[] bytes = new long[2];
    for (int i = 0; i < 2; i++) {
      AttentionProblem problem = AttentionProblem.of(sizes, Shards.even(512, (64L + i) * 16, 1));
      VisualSizes features = new VisualSizes(1, 4096, 8, 128, false, true, DType.BFLOAT16);
      bytes[i] =
          new VisualPlan(features, problem, 1, Strategy.QUERY_RING, 16, KernelScratch.NONE)
              .workspaceBytes(RecomputePolicy.RECOMPUTE_TILED, Pass.FORWARD, 0);
    }
    assertThat(bytes[1] - bytes[0]).isEqualTo(8L * 512 * 32 * (128 + 1));
  }

  private static VisualPlan plan(long frames) {
    return new VisualPlan(
        new VisualSizes(1, 4096, 8, 128, false, true, DType.BFLOAT16),
        AttentionProblem.of(
            new AttentionSizes(1, 32, 8, 128, DType.BFLOAT16), Shards.even(512, frames * 6404, 8)),
        8,
        Strategy.QUERY_RING,
        1024,
        KernelScratch.NONE);
  }

  @Test
  void framesFitUpToTheLastByte() {
    VisualPlan plan = plan(1);
    long gib = 1L << 30;
    long before = 0;
    for (RecomputePolicy policy :
        List.of(RecomputePolicy.KEEP, RecomputePolicy.RECOMPUTE, RecomputePolicy.RECOMPUTE_TILED)) {
      long frames = plan.framesThatFit(policy, Pass.BOTH, 16 * gib, 6404);
      assertThat(frames).as(policy.toString()).isGreaterThan(before);
      assertThat(plan(frames).peakBytes(policy, Pass.BOTH)).isLessThanOrEqualTo(16 * gib);
      assertThat(plan(frames + 1).peakBytes(policy, Pass.BOTH)).isGreaterThan(16 * gib);
      before = frames;
    }
    assertThat(plan.framesThatFit(RecomputePolicy.KEEP, Pass.BOTH, 1, 6404)).isZero();
  }

  @Test
  void recomputingAddsOneProjectionToBackward() {
    VisualPlan plan = plan(64);
    double keep = plan.flops(RecomputePolicy.KEEP, Pass.BOTH);
    double tiled = plan.flops(RecomputePolicy.RECOMPUTE_TILED, Pass.BOTH);
    double projection = 8 * 4.0 * 64 * 6404 * 4096 * 8 * 128;
    assertThat(tiled - keep).isCloseTo(projection, within(1e-6 * projection));
    assertThat(plan.flops(RecomputePolicy.KEEP, Pass.FORWARD))
        .isEqualTo(plan.flops(RecomputePolicy.RECOMPUTE_TILED, Pass.FORWARD));
  }

  @Test
  void featuresAndAttentionMustAgree() {
    VisualPlan good = plan(1);
    assertThatIllegalArgumentException()
        .isThrownBy(
            () ->
                new VisualPlan(
                    new VisualSizes(2, 4096, 8, 128, false, true, DType.BFLOAT16),
                    good.attention(),
                    1,
                    Strategy.QUERY_RING,
                    1,
                    KernelScratch.NONE))
        .withMessageContaining("features");
  }
}
