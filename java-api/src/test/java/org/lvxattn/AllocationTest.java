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
  private static final int WARM_UP = 20_000;
  private static final int CALLS = 1_000;

  private static final ThreadMXBean THREADS =
      (ThreadMXBean) ManagementFactory.getThreadMXBean();

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
      assertThat(allocatedForward(group, problem)).isZero();
      assertThat(allocatedBackward(group, problem)).isZero();
    }
  }

  @Test
  void fourRanksAllocateNothing() {
    record Allocated(long forward, long backward) {}
    assertThat(
            LocalWorld.run(
                4,
                group -> {
                  try (Problem problem =
                      new Problem(group.device(), DType.FLOAT32, 1, 2, 4, 8, group.rank())) {
                    return new Allocated(
                        allocatedForward(group, problem), allocatedBackward(group, problem));
                  }
                }))
        .containsOnly(new Allocated(0, 0));
  }

  private static long allocatedForward(Group group, Problem problem) {
    for (int i = 0; i < warmUp(group); i++) {
      problem.forward(group);
    }
    long before = THREADS.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < CALLS; i++) {
      problem.forward(group);
    }
    return THREADS.getCurrentThreadAllocatedBytes() - before;
  }

  private static long allocatedBackward(Group group, Problem problem) {
    for (int i = 0; i < warmUp(group); i++) {
      problem.backward(group);
    }
    long before = THREADS.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < CALLS; i++) {
      problem.backward(group);
    }
    return THREADS.getCurrentThreadAllocatedBytes() - before;
  }

  /** Ranks share the code that they warm up. */
  private static int warmUp(Group group) {
    return WARM_UP / group.size();
  }
}
