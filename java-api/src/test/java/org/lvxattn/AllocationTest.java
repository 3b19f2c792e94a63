// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.group.Group;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.layer.LayerOperations;
import org.lvxattn.layer.Norm;

/** Calls that write into the caller's tensors allocate nothing on the heap. */
@Timeout(300)
class AllocationTest {
  /**
   * The JVM allocates a little until it has compiled everything, which takes a while on a busy
   * machine. Allocations of the calls themselves show in every round.
   */
  private static final int MOST_ROUNDS = 500;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @Test
  void theCountersCount() {
    long before = THREADS.getCurrentThreadAllocatedBytes();
    byte[] garbage = new byte[1000];
    long after = THREADS.getCurrentThreadAllocatedBytes();
    assertThat(after - before).isGreaterThanOrEqualTo(garbage.length);
  }

  /** A call that allocates is detected, for any number of rounds. */
  @Test
  void anAllocationInEveryCallShowsInEveryRound() {
    Object[] kept = new Object[1];
    for (int round = 0; round < 100; round++) {
      assertThat(allocated(100, () -> kept[0] = new byte[1])).isPositive();
    }
  }

  @Test
  void aRankAloneAllocatesNothing() {
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Group group = Group.self(device);
        Problem problem = Problem.alone(device, DType.FLOAT32)) {
      assertThat(leastAllocated(group, problem, 1000)).isZero();
    }
  }

  @Test
  void fourRanksAllocateNothing() {
    assertThat(
            LocalWorld.run(
                4,
                group -> {
                  try (Problem problem =
                      new Problem(group.device(), DType.FLOAT32, 1, 2, 4, 8, group.rank())) {
                    return leastAllocated(group, problem, 1000);
                  }
                }))
        .containsOnly(0L);
  }

  @Test
  void layerOperationsAllocateNothing() {
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Tensor x = Tensor.allocate(device, DType.FLOAT32, 1, 4, 8);
        Tensor y = Tensor.allocate(device, DType.FLOAT32, 1, 4, 8);
        Tensor w = Tensor.allocate(device, DType.FLOAT32, 8, 8);
        Tensor dw = Tensor.allocate(device, DType.FLOAT32, 8, 8);
        Tensor weight = Tensor.allocate(device, DType.FLOAT32, 8)) {
      long least = Long.MAX_VALUE;
      for (int round = 0; round < MOST_ROUNDS && least > 0; round++) {
        long bytes =
            allocated(
                1000,
                () -> {
                  LayerOperations.linear(x, w, null, y);
                  LayerOperations.linearBackward(x, w, y, null, false, dw, null);
                  LayerOperations.norm(Norm.RMS, 1e-5, x, weight, null, y);
                });
        least = Math.min(least, bytes);
      }
      assertThat(least).isZero();
    }
  }

  /**
   * Allocated bytes of each round of calls, until every rank has had a round without allocations.
   */
  private static long leastAllocated(Group group, Problem problem, int calls) {
    long least = Long.MAX_VALUE;
    for (int round = 0; round < MOST_ROUNDS; round++) {
      long bytes =
          allocated(
              calls,
              () -> {
                problem.forward(group);
                problem.backward(group);
              });
      least = Math.min(least, bytes);
      byte[] still = {(byte) (least > 0 ? 1 : 0)};
      if (group.allGather(still).stream().allMatch(said -> said[0] == 0)) {
        break;
      }
    }
    return least;
  }

  /** Bytes that this thread allocated in one round of calls. */
  private static long allocated(int calls, Runnable call) {
    long before = THREADS.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < calls; i++) {
      call.run();
    }
    return THREADS.getCurrentThreadAllocatedBytes() - before;
  }
}
