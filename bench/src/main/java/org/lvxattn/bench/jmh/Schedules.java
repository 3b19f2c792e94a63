// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.jmh;

import java.util.concurrent.TimeUnit;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
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
  private CrossAttention attention;

  @Setup
  public void setUp() {
    Sizes shard = new Sizes(1, QUERIES / ranks, KEYS / ranks, 8, 8, 64);
    crew = new RankCrew(ranks, shard, DType.FLOAT32);
    attention = RankTensors.attention(shard, strategy);
  }

  @TearDown
  public void tearDown() {
    crew.close();
  }

  @Benchmark
  public void forward() {
    crew.all(rank -> rank.tensors().forward(attention, rank.statistics()));
  }

  /** Reads what forward would have left; that it is all zero does not change the time. */
  @Benchmark
  public void backward() {
    crew.all(rank -> rank.tensors().backward(attention, rank.statistics()));
  }
}
