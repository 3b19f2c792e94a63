// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GroupException;
import org.lvxattn.OutOfDeviceMemoryException;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.visual.VisualCheckpoint;

/**
 * One rank of three fails in a layer before a collective call. Its peers must be told at once:
 * otherwise they would wait for a timeout longer than the test's limit.
 */
@Timeout(300)
class LayerMistakesTest {
  private static final int RANKS = 3;
  private static final int OFFENDER = 1;
  private static final GroupOptions PATIENT =
      GroupOptions.builder().timeout(Duration.ofMinutes(10)).build();
  private static final int[] TEXT = {0, 3, 5, TinyLayer.TEXT_ROWS};
  private static final int[] VISUAL = {0, 5, 9, TinyLayer.VISUAL_ROWS};

  /** What the failing rank passes. */
  private enum Mistake {
    NONE,
    NO_WEIGHT,
    WRONG_ROWS,
    WRONG_OUTPUT_GRADIENT,
    NO_GRADIENT,
    WRONG_GRADIENT
  }

  @ParameterizedTest
  @EnumSource
  void wrongArguments(TinyLayer layer) {
    for (RecomputePolicy policy : RecomputePolicy.values()) {
      for (Mistake mistake : Mistake.values()) {
        List<@Nullable Throwable> outcomes =
            LocalWorld.run(
                RANKS,
                PATIENT,
                group -> {
                  Mistake own = group.rank() == OFFENDER ? mistake : Mistake.NONE;
                  Throwable outcome = catchThrowable(() -> compute(layer, group, policy, own));
                  // The group stays usable.
                  compute(layer, group, policy, Mistake.NONE);
                  return outcome;
                });
        for (int rank = 0; rank < RANKS; rank++) {
          String what = layer + ", " + policy + ", " + mistake + ", rank " + rank;
          if (mistake == Mistake.NONE) {
            assertThat(outcomes.get(rank)).as(what).isNull();
          } else if (rank == OFFENDER) {
            assertThat(outcomes.get(rank))
                .as(what)
                .isExactlyInstanceOf(IllegalArgumentException.class);
          } else {
            assertThat(outcomes.get(rank))
                .as(what)
                .isInstanceOf(PeerMismatchException.class)
                .hasMessageContaining("rank " + OFFENDER + " could not take part")
                .hasMessageContaining(messageOf(outcomes.get(OFFENDER)));
          }
        }
      }
    }
  }

  private static String messageOf(@Nullable Throwable mistake) {
    String message = Objects.requireNonNull(Objects.requireNonNull(mistake).getMessage());
    return message.substring(0, Math.min(60, message.length()));
  }

  private static void compute(
      TinyLayer layer, Group group, RecomputePolicy policy, Mistake mistake) {
    Device device = group.device();
    RowShard text = shard(TEXT, group.rank());
    Map<String, long[]> weightShapes = new LinkedHashMap<>(layer.shapes());
    Map<String, long[]> gradientShapes = new LinkedHashMap<>(layer.shapes());
    String last = List.copyOf(weightShapes.keySet()).getLast();
    if (mistake == Mistake.NO_WEIGHT) {
      weightShapes.remove(last);
    } else if (mistake == Mistake.NO_GRADIENT) {
      gradientShapes.remove(last);
    } else if (mistake == Mistake.WRONG_GRADIENT) {
      gradientShapes.put(last, new long[] {3});
    }
    boolean wrongRows = mistake == Mistake.WRONG_ROWS;
    int width = TinyLayer.WIDTH + (wrongRows ? 8 : 0);
    long rows = text.rows() + (mistake == Mistake.WRONG_OUTPUT_GRADIENT ? 1 : 0);
    // A resampler takes no text rows.
    RowShard said =
        wrongRows && !layer.takesText() ? RowShard.whole(TinyLayer.TEXT_ROWS + 1) : text;
    try (Parameters weights = Parameters.allocate(device, DType.FLOAT32, weightShapes);
        Tensor x = Tensor.allocate(device, DType.FLOAT32, TinyLayer.BATCH, text.rows(), width);
        Tensor dOut =
            Tensor.allocate(device, DType.FLOAT32, TinyLayer.BATCH, rows, TinyLayer.WIDTH);
        Gradients gradients = Gradients.zeros(device, DType.FLOAT32, gradientShapes);
        VisualCheckpoint visual = visual(layer, group, policy)) {
      layer.run(group, Strategy.QUERY_RING, weights, x, visual, said, dOut, gradients);
    }
  }

  private static RowShard shard(int[] bounds, int rank) {
    return new RowShard(bounds[rank], bounds[rank + 1], bounds[RANKS]);
  }

  private static VisualCheckpoint visual(TinyLayer layer, Group group, RecomputePolicy policy) {
    Tensor features =
        Tensor.allocate(
            group.device(),
            DType.FLOAT32,
            layer.visualBatch(),
            shard(VISUAL, group.rank()).rows(),
            layer.visualWidth());
    return VisualCheckpoint.builder(group, features)
        .closeFeatures()
        .policy(policy)
        .tileRows(2)
        .build();
  }

  /** The failing rank runs out of memory at any point: between the collective calls, or in one. */
  @ParameterizedTest
  @EnumSource
  void memoryThatRunsOut(TinyLayer layer) throws Exception {
    int told = 0;
    for (RecomputePolicy policy : RecomputePolicy.values()) {
      Forward whole = forward(layer, policy, 0);
      assertThat(whole.outcomes()).containsOnlyNulls();
      for (int step = 0; step < 12; step++) {
        long room = (whole.peakBytes() - whole.heldBytes()) * step / 12;
        Forward some = forward(layer, policy, whole.heldBytes() + room);
        Throwable own = some.outcomes().get(OFFENDER);
        assertThat(own == null || own instanceof OutOfDeviceMemoryException)
            .as("%s, %s, %s bytes: %s", layer, policy, room, own)
            .isTrue();
        for (int rank = 0; rank < RANKS; rank++) {
          Throwable peers = some.outcomes().get(rank);
          if (rank != OFFENDER && peers != null) {
            assertThat(own).isNotNull();
            assertThat(((GroupException) peers).rank()).isEqualTo(OFFENDER);
            told++;
          }
        }
      }
    }
    assertThat(told).isPositive();
  }

  /**
   * How forward ended on each rank, and the failing rank's memory before and at its peak.
   *
   * @param outcomes failures by rank, null for success
   */
  private record Forward(List<@Nullable Throwable> outcomes, long heldBytes, long peakBytes) {}

  private static Forward forward(TinyLayer layer, RecomputePolicy policy, long budget)
      throws Exception {
    CountDownLatch peersAreDone = new CountDownLatch(RANKS - 1);
    try (LocalWorld world = LocalWorld.of(RANKS, PATIENT);
        ExecutorService threads = Executors.newFixedThreadPool(RANKS)) {
      List<Future<Forward>> futures = new ArrayList<>();
      for (int rank = 0; rank < RANKS; rank++) {
        int own = rank;
        futures.add(
            threads.submit(
                () ->
                    forward(
                        layer, policy, world, own, own == OFFENDER ? budget : 0, peersAreDone)));
      }
      List<@Nullable Throwable> outcomes = new ArrayList<>();
      for (Future<Forward> future : futures) {
        outcomes.addAll(future.get().outcomes());
      }
      Forward offender = futures.get(OFFENDER).get();
      return new Forward(outcomes, offender.heldBytes(), offender.peakBytes());
    }
  }

  private static Forward forward(
      TinyLayer layer,
      RecomputePolicy policy,
      LocalWorld world,
      int rank,
      long budget,
      CountDownLatch peersAreDone)
      throws InterruptedException {
    CpuOptions options = CpuOptions.builder().threads(1).memoryBudget(budget).build();
    RowShard text = shard(TEXT, rank);
    try (Device device = Device.cpu(options);
        Group group = world.join(rank, device);
        Parameters weights = Parameters.allocate(device, DType.FLOAT32, layer.shapes());
        Tensor x =
            Tensor.allocate(device, DType.FLOAT32, TinyLayer.BATCH, text.rows(), TinyLayer.WIDTH);
        VisualCheckpoint visual = visual(layer, group, policy)) {
      long masks = 4096; // are allocated before the layer begins
      long held = device.bytesInUse() + masks;
      Throwable outcome =
          catchThrowable(
              () -> layer.run(group, Strategy.QUERY_RING, weights, x, visual, text, x, null));
      if (rank == OFFENDER) {
        // The peers must not notice it only because it leaves.
        assertThat(peersAreDone.await(120, TimeUnit.SECONDS)).as("%s", outcome).isTrue();
      } else {
        peersAreDone.countDown();
      }
      List<@Nullable Throwable> outcomes = new ArrayList<>();
      outcomes.add(outcome);
      return new Forward(outcomes, held, device.peakBytes());
    }
  }

  @Test
  void describingABatch() {
    List<@Nullable Throwable> outcomes =
        LocalWorld.run(
            RANKS,
            PATIENT,
            group -> {
              long rows = group.rank() == OFFENDER ? -1 : 2;
              Throwable outcome = catchThrowable(() -> RowShard.of(group, rows));
              Throwable batch = catchThrowable(() -> batch(group, rows));
              assertThat(batch).hasSameClassAs(Objects.requireNonNull(outcome));
              assertThat(RowShard.of(group, 2).total()).isEqualTo(2 * RANKS);
              return outcome;
            });
    assertThat(outcomes.get(OFFENDER)).hasMessage("rows is -1; 0 or more was expected");
    assertThat(outcomes.get(0))
        .isInstanceOf(PeerMismatchException.class)
        .hasMessageContaining("rank 1 could not take part in all_gather: rows is -1");
  }

  private static void batch(Group group, long rows) {
    Owl3Images images = new Owl3Images(new int[][] {{0}}, 6);
    Owl3Batch.of(group, Owl3Variant.FUSED, images, rows, 0, 2).close();
  }
}
