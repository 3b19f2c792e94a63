// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Calls that write into tensors of the caller allocate nothing on the heap. */
@Timeout(300)
class AllocationTest {
  /**
   * The JVM allocates a little now and then until it has compiled everything for good, which takes
   * its time on a busy machine. What calls themselves allocate shows in every round.
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

  /** A call that allocates is found out, however many rounds it is given. */
  @Test
  void anAllocationInEveryCallShowsInEveryRound() {
    Object[] kept = new Object[1];
    for (int round = 0; round < 100; round++) {
      assertThat(allocated(100, () -> kept[0] = new byte[1])).isPositive();
    }
  }

  @Test
  void aRankAloneAllocatesNothing() {
    try (Device device = Device.cpu(CpuOptions.defaults().withThreads(1));
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
    try (Device device = Device.cpu(CpuOptions.defaults().withThreads(1));
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

  /** Of all rounds of calls, until every rank has had one without any allocation. */
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
