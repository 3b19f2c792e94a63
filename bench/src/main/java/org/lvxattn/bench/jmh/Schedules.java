// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.jmh;

import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.GroupOptions;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.bench.RankCrew;
import org.lvxattn.bench.RankTensors;
import org.lvxattn.bench.Sizes;
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
 * Attention over the ranks of a local group, by strategy. Links are those of memory: what differs
 * is how much is copied, merged and waited for.
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

  private RankCrew crew;
  private List<Member> members;
  private CrossAttention attention;

  /** What a rank works with. */
  private record Member(RankTensors tensors, Statistics statistics) {}

  @Setup
  public void setUp() {
    Sizes shard = new Sizes(1, QUERIES / ranks, KEYS / ranks, 8, 8, 64);
    int threads = Math.max(1, Runtime.getRuntime().availableProcessors() / ranks);
    crew = new RankCrew(ranks, threads, GroupOptions.defaults());
    members =
        crew.each(
            group ->
                new Member(
                    new RankTensors(group, shard, DType.FLOAT32, true), Statistics.create()));
    attention = RankTensors.attention(shard, strategy);
  }

  @TearDown
  public void tearDown() {
    all(member -> member.tensors.close());
    crew.close();
  }

  @Benchmark
  public void forward() {
    all(member -> member.tensors.forward(attention, member.statistics));
  }

  /** Reads what forward would have left; that it is all zero does not change the time. */
  @Benchmark
  public void backward() {
    all(member -> member.tensors.backward(attention, member.statistics));
  }

  private void all(Consumer<Member> task) {
    crew.each(
        group -> {
          task.accept(members.get(group.rank()));
          return group;
        });
  }
}
