// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.PeerLostException;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.Problem;
import org.lvxattn.Tensor;

/** Virtual threads as ranks and as callers. */
@Timeout(120)
class VirtualThreadsTest {
  private static final CpuOptions ONE_THREAD = CpuOptions.builder().threads(1).build();

  /** If a rank held its carrier, the first ones to wait would keep the others from running. */
  private static final int MORE_THAN_CARRIERS = 2 * Runtime.getRuntime().availableProcessors() + 3;

  private static final GroupOptions OPTIONS =
      GroupOptions.builder().timeout(Duration.ofSeconds(30)).build();

  /** What a rank does. */
  private interface Rank {
    void run(Group group) throws Exception;
  }

  private static List<FutureTask<Integer>> start(int size, LocalWorld world, Rank task) {
    List<FutureTask<Integer>> ranks = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      int rank = i;
      FutureTask<Integer> work =
          new FutureTask<>(
              () -> {
                try (Device device = Device.cpu(ONE_THREAD);
                    Group group = world.join(rank, device)) {
                  task.run(group);
                }
                return rank;
              });
      ranks.add(work);
      Thread.ofVirtual().start(work);
    }
    return ranks;
  }

  @Test
  void moreRanksThanCarriersComputeTogether() throws Exception {
    int size = MORE_THAN_CARRIERS;
    try (LocalWorld world = LocalWorld.of(size, OPTIONS)) {
      for (FutureTask<Integer> rank :
          start(
              size,
              world,
              group -> {
                for (int i = 0; i < 5; i++) {
                  group.barrier();
                }
                assertThat(group.allGather(new byte[] {(byte) group.rank()})).hasSize(size);
                try (Tensor sum = Tensor.of(group.device(), DType.FLOAT32, new float[] {1, 2}, 2);
                    Problem problem =
                        new Problem(group.device(), DType.FLOAT32, 2, 3, 2 * size, 3 * size, 1)) {
                  group.allReduce(sum);
                  assertThat(sum.toFloats()).containsExactly(size, 2 * size);
                  problem.forward(group);
                  problem.backward(group);
                }
              })) {
        rank.get();
      }
    }
  }

  @Test
  void manyThreadsComputeAlone() throws Exception {
    float[] expected;
    try (Device device = Device.cpu(ONE_THREAD);
        Group group = Group.self(device);
        Problem problem = Problem.alone(device, DType.FLOAT32)) {
      problem.forward(group);
      expected = problem.o.toFloats();
    }
    List<FutureTask<float[]>> threads = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      FutureTask<float[]> work =
          new FutureTask<>(
              () -> {
                try (Device device = Device.cpu(ONE_THREAD);
                    Group group = Group.self(device);
                    Problem problem = Problem.alone(device, DType.FLOAT32)) {
                  problem.forward(group);
                  return problem.o.toFloats();
                }
              });
      threads.add(work);
      Thread.ofVirtual().start(work);
    }
    for (FutureTask<float[]> thread : threads) {
      assertThat(thread.get()).containsExactly(expected);
    }
  }

  /** Wrong arguments are declined, and a rank's failure shows where its thread made the call. */
  @Test
  void failuresAreThoseOfPlatformThreads() throws Exception {
    CountDownLatch declined = new CountDownLatch(2);
    try (LocalWorld world = LocalWorld.of(2, OPTIONS)) {
      List<FutureTask<Integer>> ranks =
          start(
              2,
              world,
              group -> {
                try (Tensor right = Tensor.allocate(group.device(), DType.FLOAT32, 2);
                    Tensor wrong = Tensor.allocate(group.device(), DType.BFLOAT16, 2)) {
                  if (group.rank() == 0) {
                    assertThatExceptionOfType(RuntimeException.class)
                        .isThrownBy(() -> group.allReduce(wrong))
                        .withMessageContaining("tensor: ");
                  } else {
                    assertThatExceptionOfType(PeerMismatchException.class)
                        .isThrownBy(() -> group.allReduce(right))
                        .withMessageContaining("rank 0");
                  }
                }
                declined.countDown();
                declined.await();
                if (group.rank() == 1) {
                  group.barrier();
                }
              });
      ranks.get(0).get();
      assertThatExceptionOfType(ExecutionException.class)
          .isThrownBy(ranks.get(1)::get)
          .withCauseInstanceOf(PeerLostException.class)
          .satisfies(
              e ->
                  assertThat(e.getCause().getStackTrace())
                      .anyMatch(frame -> frame.getClassName().contains("VirtualThreadsTest")));
    }
  }

  /** A call on behalf of an owner must not let others in. */
  @Test
  void onlyTheOwnerCalls() throws Exception {
    try (LocalWorld world = LocalWorld.of(2, OPTIONS);
        Device device = Device.cpu(ONE_THREAD);
        Group group = world.join(0, device)) {
      FutureTask<Boolean> stranger =
          new FutureTask<>(
              () -> {
                assertThatExceptionOfType(WrongThreadException.class)
                    .isThrownBy(group::barrier)
                    .withMessageContaining("(virtual)");
                return true;
              });
      Thread.ofVirtual().start(stranger);
      assertThat(stranger.get()).isTrue();
    }
  }

  @Test
  void clocksOfProcessorTimeAreRefused() throws Exception {
    LinkEmulation links = LinkEmulation.builder().virtualTime(true).build();
    try (LocalWorld world = LocalWorld.of(2, OPTIONS, links)) {
      for (FutureTask<Integer> rank :
          start(
              2,
              world,
              group ->
                  assertThatExceptionOfType(IllegalStateException.class)
                      .isThrownBy(group::barrier)
                      .withMessageContaining("a platform thread was expected"))) {
        rank.get();
      }
    }
  }
}
