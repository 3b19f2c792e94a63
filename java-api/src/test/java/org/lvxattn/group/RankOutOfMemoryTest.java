// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GroupException;
import org.lvxattn.OutOfDeviceMemoryException;
import org.lvxattn.PeerLostException;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.Strategy;
import org.lvxattn.layer.KeyValueGradients;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.testing.Seeds;
import org.lvxattn.visual.VisualCheckpoint;
import org.lvxattn.visual.VisualForward;
import org.lvxattn.visual.VisualProblem;
import org.lvxattn.visual.VisualRank;

/**
 * One rank runs out of memory at some point: the JVM survives, the other ranks name that rank, and
 * a new world works. {@code -Dlvxattn.long=true} runs all worlds, {@code -Dlvxattn.seed} those of
 * another run.
 */
@Timeout(3600)
class RankOutOfMemoryTest {
  private static final List<RecomputePolicy> POLICIES = List.of(RecomputePolicy.values());
  private static final int WORLDS = Boolean.getBoolean("lvxattn.long") ? 2000 : 100;

  @Test
  void worldsThatFailTakeNobodyWithThem() {
    long seed = Seeds.campaign();
    Random random = new Random(seed);
    for (int world = 0; world < WORLDS; ) {
      VisualProblem problem = new VisualProblem(random.nextInt(1_000_000));
      if (problem.ranks < 2) {
        continue;
      }
      RecomputePolicy policy = POLICIES.get(random.nextInt(POLICIES.size()));
      Strategy strategy = Strategy.schedules().get(random.nextInt(4));
      int victim = random.nextInt(problem.ranks);
      AtomicLong peak = new AtomicLong();
      run(problem, policy, strategy, victim, 0, peak); // all goes well
      for (int i = 0; i < 4; i++, world++) {
        long budget = 1 + random.nextLong(peak.get() - 1);
        String where = problem + ", " + policy + ", " + strategy + ", " + victim + ": " + budget;
        Throwable failure =
            catchThrowable(() -> run(problem, policy, strategy, victim, budget, new AtomicLong()));
        assertThat(failure).as(where).isInstanceOf(OutOfDeviceMemoryException.class);
        assertThat(failure.getSuppressed()).as(where).hasSize(problem.ranks - 1);
        for (Throwable peer : failure.getSuppressed()) {
          // Lost within a call, or declined a call for lack of memory.
          assertThat(peer)
              .as(where)
              .isInstanceOfAny(PeerLostException.class, PeerMismatchException.class);
          assertThat(((GroupException) peer).rank()).as(where).isEqualTo(victim);
        }
      }
    }
  }

  private static void run(
      VisualProblem problem,
      RecomputePolicy policy,
      Strategy strategy,
      int victim,
      long budget,
      AtomicLong peak) {
    CpuOptions plain = CpuOptions.builder().threads(1).build();
    LocalWorld.run(
        problem.ranks,
        GroupOptions.defaults(),
        rank -> Device.cpu(rank == victim ? plain.toBuilder().memoryBudget(budget).build() : plain),
        group -> {
          try (VisualRank rank = new VisualRank(problem, group, DType.FLOAT64, strategy);
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
          }
          if (group.rank() == victim) {
            peak.set(group.device().peakBytes());
          }
          group.barrier(); // whoever needed nothing of the victim any more learns of its end
          return group.rank();
        });
  }
}
