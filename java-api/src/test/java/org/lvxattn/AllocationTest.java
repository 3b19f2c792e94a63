// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Calls that write into tensors of the caller allocate nothing on the heap. */
@Timeout(120)
class AllocationTest {
  /** The JVM allocates a little now and then until it has compiled everything for good. */
  private static final int WARM_UP_ROUNDS = 30;

  private static final int ROUNDS = 10;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @Test
  void theCountersCount() {
    long before = THREADS.getCurrentThreadAllocatedBytes();
    byte[] garbage = new byte[1000];
    long after = THREADS.getCurrentThreadAllocatedBytes();
    assertThat(after - before).isGreaterThanOrEqualTo(garbage.length);
  }

  @Test
  void aRankAloneAllocatesNothing() {
    try (Device device = Device.cpu(CpuOptions.defaults().withThreads(1));
        Group group = Group.self(device);
        Problem problem = Problem.alone(device, DType.FLOAT32)) {
      assertThat(allocated(group, problem, 1000)).isZero();
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
                    return allocated(group, problem, 300);
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
      assertThat(
              allocated(
                  1000,
                  () -> {
                    LayerOperations.linear(x, w, null, y);
                    LayerOperations.linearBackward(x, w, y, null, false, dw, null);
                    LayerOperations.norm(Norm.RMS, 1e-5, x, weight, null, y);
                  }))
          .isZero();
    }
  }

  private static long allocated(Group group, Problem problem, int calls) {
    return allocated(
        calls,
        () -> {
          problem.forward(group);
          problem.backward(group);
        });
  }

  /** Bytes that this thread allocated in all measured rounds. */
  private static long allocated(int calls, Runnable call) {
    long before = 0;
    for (int round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
      if (round == WARM_UP_ROUNDS) {
        before = THREADS.getCurrentThreadAllocatedBytes();
      }
      for (int i = 0; i < calls; i++) {
        call.run();
      }
    }
    return THREADS.getCurrentThreadAllocatedBytes() - before;
  }
}
