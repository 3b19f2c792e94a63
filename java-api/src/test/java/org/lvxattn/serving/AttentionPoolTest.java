// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.AttentionForward;
import org.lvxattn.CpuOptions;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.KeyValues;
import org.lvxattn.Mask;
import org.lvxattn.SharedKeyValues;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.testing.Seeds;

/** Many requests from many threads: each gets its own result, and none is lost. */
@Timeout(300)
class AttentionPoolTest {
  private static final int KEYS = 50;
  private static final int HEADS = 4;
  private static final int DIM = 8;
  private static final CrossAttention ATTENTION =
      CrossAttention.builder().heads(HEADS).keyValueHeads(2).headDim(DIM).build();

  private final Random random = Seeds.random(72);
  private Device home;
  private Group group;
  private SharedKeyValues video;

  @BeforeEach
  void share() {
    home = device();
    group = Group.self(home);
    video = share(KEYS);
  }

  @AfterEach
  void close() {
    video.close();
    group.close();
    home.close();
  }

  private static Device device() {
    return Device.cpu(CpuOptions.builder().threads(1).build());
  }

  private SharedKeyValues share(int keys) {
    try (Tensor key = Tensor.of(home, DType.FLOAT32, floats(keys * 2 * DIM), 1, keys, 2, DIM);
        Tensor value = Tensor.of(home, DType.FLOAT32, floats(keys * 2 * DIM), 1, keys, 2, DIM)) {
      return SharedKeyValues.of(key, value);
    }
  }

  private float[] floats(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private float[] rows(int rows) {
    return floats(rows * HEADS * DIM);
  }

  private static AttentionPool.Builder pool() {
    return AttentionPool.builder(ATTENTION).device(AttentionPoolTest::device);
  }

  /** The result of a request by a call of its own. */
  private AttentionResult expected(AttentionRequest request) {
    int rows = request.q().length / (HEADS * DIM);
    int[][][] visible = request.visible();
    try (KeyValues local = request.keyValues().on(home);
        Tensor q = Tensor.of(home, DType.FLOAT32, request.q(), 1, rows, HEADS, DIM)) {
      if (visible == null) {
        return result(ATTENTION.forward(group, q, local.key(), local.value()));
      }
      int[] bounds = new int[rows * 2 * 2];
      for (int row = 0; row < rows; row++) {
        for (int range = 0; range < visible[row].length; range++) {
          System.arraycopy(visible[row][range], 0, bounds, (row * 2 + range) * 2, 2);
        }
        for (int range = visible[row].length; range < 2; range++) {
          int end = range == 0 ? 0 : bounds[(row * 2 + range) * 2 - 1];
          bounds[(row * 2 + range) * 2] = end;
          bounds[(row * 2 + range) * 2 + 1] = end;
        }
      }
      try (Tensor ranges = Tensor.of(home, bounds, 1, rows, 2, 2)) {
        Mask mask = Mask.visible(ranges);
        return result(ATTENTION.forward(group, q, local.key(), local.value(), mask));
      }
    }
  }

  private static AttentionResult result(AttentionForward forward) {
    try (forward) {
      return new AttentionResult(forward.output().toFloats(), forward.logSumExp().toFloats());
    }
  }

  private void assertRight(AttentionRequest request, AttentionResult actual) {
    AttentionResult right = expected(request);
    assertThat(actual.output()).containsExactly(right.output(), within(1e-5f));
    for (int i = 0; i < right.logSumExp().length; i++) {
      float lse = right.logSumExp()[i];
      if (Float.isInfinite(lse)) {
        assertThat(actual.logSumExp()[i]).isEqualTo(lse);
      } else {
        assertThat(actual.logSumExp()[i]).isCloseTo(lse, within(1e-5f));
      }
    }
    assertThat(actual.logSumExp()).hasSameSizeAs(right.logSumExp());
  }

  @Test
  void aThousandVirtualThreadsGetTheirOwnResults() throws Exception {
    SharedKeyValues second = share(33);
    List<AttentionRequest> requests = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      SharedKeyValues over = i % 3 == 0 ? second : video;
      requests.add(
          i % 5 == 0
              ? new AttentionRequest(over, rows(2), new int[][][] {{{0, 5}, {9, 30}}, {}})
              : AttentionRequest.of(over, rows(1 + i % 4)));
    }
    try (AttentionPool pool =
        pool().device(AttentionPoolTest::device).maxRows(16).queueCapacity(100).build()) {
      List<Future<AttentionResult>> results = new ArrayList<>();
      try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
        for (AttentionRequest request : requests) {
          results.add(
              threads.submit(() -> pool.submit(request, Duration.ofMinutes(2)).get()));
        }
      }
      for (int i = 0; i < requests.size(); i++) {
        assertRight(requests.get(i), results.get(i).get());
      }
      PoolStatistics statistics = pool.statistics();
      assertThat(statistics.submitted()).isEqualTo(1000);
      assertThat(statistics.completed()).isEqualTo(1000);
      assertThat(statistics.failed() + statistics.cancelled() + statistics.rejected()).isZero();
      assertThat(statistics.queued()).isZero();
      assertThat(statistics.batches()).isLessThan(1000);
      assertThat(statistics.rowsPerBatch()).isBetween(1.0, 16.0);
      assertThat(statistics.computeSeconds()).isPositive();
    }
    second.close();
  }

  /** A pool whose only device waits until it is let go, so that requests queue. */
  private static final class Stalled {
    final CountDownLatch go = new CountDownLatch(1);
    final List<Runnable> completions = new ArrayList<>();

    AttentionPool build(AttentionPool.Builder builder) {
      // The first completion holds the worker, since it runs on its thread.
      return builder
          .completionExecutor(
              task -> {
                task.run();
                try {
                  go.await();
                } catch (InterruptedException e) {
                  throw new AssertionError(e);
                }
              })
          .build();
    }
  }

  @Test
  void aFullQueueRejectsAndLosesNothing() throws Exception {
    Stalled stalled = new Stalled();
    AttentionPool pool = stalled.build(pool().queueCapacity(3).maxRows(8));
    AttentionRequest request = AttentionRequest.of(video, rows(1));
    pool.submit(request).get(); // the worker is held from here on
    List<CompletableFuture<AttentionResult>> accepted = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      accepted.add(pool.submit(request));
    }
    assertThatExceptionOfType(RejectedExecutionException.class)
        .isThrownBy(() -> pool.submit(request))
        .withMessageContaining("full: 3 requests wait");
    assertThatExceptionOfType(RejectedExecutionException.class)
        .isThrownBy(() -> pool.submit(request, Duration.ofMillis(20)));
    assertThatIllegalStateException()
        .isThrownBy(video::close)
        .withMessageContaining("in use 3 times");

    // A cancelled request makes room.
    assertThat(accepted.removeFirst().cancel(true)).isTrue();
    accepted.add(pool.submit(request));
    assertThat(pool.statistics().queued()).isEqualTo(3);
    stalled.go.countDown();
    for (CompletableFuture<AttentionResult> future : accepted) {
      assertRight(request, future.get(60, TimeUnit.SECONDS));
    }
    pool.close();
    PoolStatistics statistics = pool.statistics();
    assertThat(statistics.submitted()).isEqualTo(5);
    assertThat(statistics.completed()).isEqualTo(4);
    assertThat(statistics.cancelled()).isEqualTo(1);
    assertThat(statistics.rejected()).isEqualTo(2);
    assertThat(statistics.batches()).as("the three waited together").isEqualTo(2);
    assertThat(video.uses()).isZero();
  }

  @Test
  void closingComputesWhatWaitsAndRefusesTheRest() throws Exception {
    AttentionPool pool = pool().build();
    AttentionRequest request = AttentionRequest.of(video, rows(3));
    List<CompletableFuture<AttentionResult>> futures = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      futures.add(pool.submit(request));
    }
    pool.close();
    pool.close();
    for (CompletableFuture<AttentionResult> future : futures) {
      assertRight(request, future.get(60, TimeUnit.SECONDS));
    }
    assertThatExceptionOfType(RejectedExecutionException.class)
        .isThrownBy(() -> pool.submit(request))
        .withMessageContaining("was closed");
    assertThat(video.uses()).isZero();
  }

  @Test
  void aWrongRequestIsRefusedAndHoldsNothing() {
    try (AttentionPool pool = pool().maxRows(4).build()) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> pool.submit(AttentionRequest.of(video, new float[33])))
          .withMessageContaining("q is 33 elements; a multiple of heads times headDim, 32, above 0");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> pool.submit(AttentionRequest.of(video, rows(5))))
          .withMessageContaining("q is 5 rows; at most 4");
      for (int[][][] wrong :
          new int[][][][] {
            {{{0, KEYS + 1}}}, {{{-1, 3}}}, {{{5, 4}}}, {{{3, 5}, {4, 6}}}, {{{1}}}, {{}, {}}
          }) {
        assertThatIllegalArgumentException()
            .isThrownBy(() -> pool.submit(new AttentionRequest(video, rows(1), wrong)))
            .withMessageContaining("visible");
      }
      CrossAttention other = CrossAttention.builder().heads(2).headDim(DIM).build();
      try (AttentionPool ofOther =
          AttentionPool.builder(other).device(AttentionPoolTest::device).build()) {
        assertThat(ofOther.statistics().submitted()).isZero();
      }
      CrossAttention wider = CrossAttention.builder().heads(2).keyValueHeads(2).headDim(16).build();
      try (AttentionPool ofWider =
          AttentionPool.builder(wider).device(AttentionPoolTest::device).build()) {
        assertThatIllegalArgumentException()
            .isThrownBy(() -> ofWider.submit(AttentionRequest.of(video, new float[32])))
            .withMessageContaining("shape [1, keys, 2, 16]");
      }
    }
    assertThat(video.uses()).isZero();
  }

  @Test
  void aDeviceThatCannotBeOpenedFailsTheBuilder() {
    assertThatIllegalStateException()
        .isThrownBy(
            () ->
                pool()
                    .device(
                        () -> {
                          throw new IllegalStateException("no such device");
                        })
                    .build())
        .withMessage("no such device");
  }

  @Test
  void aFailingBatchFailsItsRequestsAlone() throws Exception {
    // Not enough memory for a batch of 64 rows of any size.
    CpuOptions small = CpuOptions.builder().threads(1).memoryBudget(1000).build();
    try (AttentionPool pool =
        AttentionPool.builder(ATTENTION).device(() -> Device.cpu(small)).build()) {
      CompletableFuture<AttentionResult> future = pool.submit(AttentionRequest.of(video, rows(1)));
      assertThat(future)
          .failsWithin(Duration.ofMinutes(1))
          .withThrowableThat()
          .havingRootCause()
          .withMessageContaining("budget");
      assertThat(pool.statistics().failed()).isEqualTo(1);
      assertThat(video.uses()).isZero();
    }
  }
}
