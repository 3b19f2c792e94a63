// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;

/** Decoding: a few query rows per call; keys and values stay the same for many calls. */
@Timeout(300)
class DecodeTest {
  private static final int[] KEYS = {30, 0, 41, 17};
  private static final int RANKS = KEYS.length;

  private static final int CALLS_OF_ROUND = 3000;

  /**
   * The JVM allocates a little until it has compiled everything, which takes a while on a busy
   * machine. Allocations of the steps themselves show in every round.
   */
  private static final int MOST_ROUNDS = 200;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @ParameterizedTest
  @CsvSource({"1,0,0,0", "2,0,0,0", "3,0,0,0", "4,0,0,0", "0,0,4,0", "1,1,1,1", "4,3,2,1"})
  void everyStepIsExactInTensorsThatAreReused(int a, int b, int c, int d) {
    int[] queries = {a, b, c, d};
    List<Workload> steps = new ArrayList<>();
    for (int step = 0; step < 50; step++) {
      Workload work = new Workload(DType.FLOAT64, 2, 8, 2, 16, queries, KEYS, 51);
      // The same keys and values in every step, with other queries.
      Workload fresh = new Workload(DType.FLOAT64, 2, 8, 2, 16, queries, KEYS, 100 + step);
      System.arraycopy(fresh.q, 0, work.q, 0, work.q.length);
      steps.add(work.with(Strategy.QUERY_GATHER));
    }
    List<Results> results = new ArrayList<>();
    steps.forEach(work -> results.add(new Results(work)));
    Ranks.run(
        RANKS,
        GroupOptions.defaults(),
        group -> {
          Workload first = steps.getFirst();
          int rank = group.rank();
          try (RankTensors own = new RankTensors(first, DType.FLOAT64, group.device(), rank)) {
            for (int step = 0; step < steps.size(); step++) {
              Workload work = steps.get(step);
              own.q.copyFrom(Window.of(queries, rank).cut(work.q, work.heads * work.headDim));
              own.forward(group);
              synchronized (results) {
                own.report(results.get(step));
              }
            }
          }
        });
    for (int step = 0; step < steps.size(); step++) {
      Results oracle = Solve.byOracle(steps.get(step));
      for (String name : List.of("o", "lse")) {
        assertThat(results.get(step).error(name, oracle))
            .as("%s of step %d", name, step)
            .isLessThanOrEqualTo(1e-12);
      }
    }
  }

  /** One message to each rank that has keys, and one result from it. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4})
  void aStepTakesTheFewestMessages(int rows) {
    int[] queries = {rows, 0, 0, 0};
    Workload work =
        new Workload(DType.FLOAT32, 1, 8, 2, 16, queries, KEYS, 52).with(Strategy.QUERY_GATHER);
    List<long[]> sent =
        LocalWorld.run(
            RANKS,
            group -> {
              try (RankTensors own =
                  new RankTensors(work, work.dtype, group.device(), group.rank())) {
                own.forward(group);
                return new long[] {own.forward.messagesSent(), own.forward.bytesSent()};
              }
            });
    long block = (long) rows * work.heads * work.headDim * Float.BYTES;
    long lse = (long) rows * work.heads * Float.BYTES;
    assertThat(sent.get(0)).containsExactly(2, 2 * block);
    assertThat(sent.get(1)).containsExactly(0, 0);
    assertThat(sent.get(2)).containsExactly(1, block + lse);
    assertThat(sent.get(3)).containsExactly(1, block + lse);
  }

  @ParameterizedTest
  @CsvSource({"1,0,0,0", "4,0,0,0", "2,2,2,2"})
  void stepsAllocateNothingOnTheHeap(int a, int b, int c, int d) {
    int[] queries = {a, b, c, d};
    Workload work =
        new Workload(DType.FLOAT32, 1, 4, 2, 8, queries, KEYS, 53).with(Strategy.QUERY_GATHER);
    List<Long> allocated =
        LocalWorld.run(
            RANKS,
            group -> {
              try (RankTensors own =
                  new RankTensors(work, work.dtype, group.device(), group.rank())) {
                return leastAllocated(group, own);
              }
            });
    assertThat(allocated).containsOnly(0L);
  }

  /**
   * Allocated bytes of each round of steps, until every rank has had a round without allocations.
   */
  private static long leastAllocated(Group group, RankTensors own) {
    long least = Long.MAX_VALUE;
    for (int round = 0; round < MOST_ROUNDS; round++) {
      long before = THREADS.getCurrentThreadAllocatedBytes();
      for (int call = 0; call < CALLS_OF_ROUND; call++) {
        own.forward(group);
      }
      least = Math.min(least, THREADS.getCurrentThreadAllocatedBytes() - before);
      byte[] still = {(byte) (least > 0 ? 1 : 0)};
      if (group.allGather(still).stream().allMatch(said -> said[0] == 0)) {
        break;
      }
    }
    return least;
  }
}
