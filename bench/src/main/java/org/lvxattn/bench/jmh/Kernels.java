// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.jmh;

import java.util.concurrent.TimeUnit;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.bench.NamedShape;
import org.lvxattn.bench.RankTensors;
import org.lvxattn.group.Group;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** One rank's attention on all cores, by shape and dtype. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
public class Kernels {
  /** Tensors of one shape, after a forward call. */
  @State(Scope.Thread)
  @SuppressWarnings("NullAway.Init") // JMH calls open before it measures
  public abstract static class Rank {
    @Param({"FLOAT32", "BFLOAT16"})
    public DType dtype;

    private Device device;
    private Group group;
    private RankTensors tensors;
    private CrossAttention attention;
    private Statistics statistics;

    abstract NamedShape shape();

    @Setup
    public void open() {
      device = Device.cpu();
      group = Group.self(device);
      tensors = new RankTensors(group, shape().sizes(), dtype, !shape().isDecode());
      attention = RankTensors.attention(shape().sizes(), Strategy.QUERY_RING);
      statistics = Statistics.create();
      tensors.forward(attention, statistics);
    }

    @TearDown
    public void close() {
      tensors.close();
      group.close();
      device.close();
    }
  }

  /** Many queries. */
  @State(Scope.Thread)
  @SuppressWarnings("NullAway.Init") // JMH sets parameters
  public static class Prefill extends Rank {
    @Param({"LLAMA3V", "OWL3_7B", "FLAMINGO", "SHORT", "ODD"})
    public NamedShape shape;

    @Override
    NamedShape shape() {
      return shape;
    }
  }

  /** One query. */
  @State(Scope.Thread)
  public static class Decode extends Rank {
    @Override
    NamedShape shape() {
      return NamedShape.DECODE;
    }
  }

  @Benchmark
  public Statistics forward(Prefill rank) {
    return call(rank);
  }

  @Benchmark
  public Statistics backward(Prefill rank) {
    Rank on = rank;
    on.tensors.backward(on.attention, on.statistics);
    return on.statistics;
  }

  @Benchmark
  public Statistics decode(Decode rank) {
    return call(rank);
  }

  private static Statistics call(Rank rank) {
    rank.tensors.forward(rank.attention, rank.statistics);
    return rank.statistics;
  }
}
