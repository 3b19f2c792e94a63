// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.jmh;

import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.bench.RankPool;
import org.lvxattn.bench.RankTensors;
import org.lvxattn.bench.Sizes;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LinkEmulation;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Attention over the ranks of a local group, by strategy. Links are as fast as memory, so
 * strategies differ in what they copy, merge and wait for.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls setUp before it measures
public class Schedules {
  private static final int QUERIES = 128;
  private static final int KEYS = 2048;

  @Param public Strategy strategy;

  @Param({"2", "4"})
  public int ranks;

  private RankPool pool;
  private List<Member> members;
  private CrossAttention attention;

  /** A rank's tensors and statistics. */
  private record Member(RankTensors tensors, Statistics statistics) {}

  @Setup
  public void setUp() {
    Sizes shard = new Sizes(1, QUERIES / ranks, KEYS / ranks, 8, 8, 64);
    int threads = Math.max(1, Runtime.getRuntime().availableProcessors() / ranks);
    pool = new RankPool(ranks, threads, GroupOptions.defaults(), LinkEmulation.none());
    members =
        pool.each(
            group ->
                new Member(
                    new RankTensors(group, shard, DType.FLOAT32, true), Statistics.create()));
    attention = RankTensors.attention(shard, strategy);
  }

  @TearDown
  public void tearDown() {
    all(member -> member.tensors.close());
    pool.close();
  }

  @Benchmark
  public void forward() {
    all(member -> member.tensors.forward(attention, member.statistics));
  }

  /** Reads forward's outputs, which are all zero here; that does not affect the time. */
  @Benchmark
  public void backward() {
    all(member -> member.tensors.backward(attention, member.statistics));
  }

  private void all(Consumer<Member> task) {
    pool.each(
        group -> {
          task.accept(members.get(group.rank()));
          return group;
        });
  }
}
