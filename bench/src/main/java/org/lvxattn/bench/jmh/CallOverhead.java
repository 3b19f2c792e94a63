// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.jmh;

import java.util.concurrent.TimeUnit;
import org.lvxattn.CpuOptions;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.PartialAttention;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.bench.RankTensors;
import org.lvxattn.bench.Sizes;
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

/**
 * Calls with almost no work. With {@link NativeTime}, the score minus the native time is the
 * overhead of calling from Java. {@code gc.alloc.rate.norm} is the heap that a call allocates.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls setUp before it measures
public class CallOverhead {
  /** Size of the work. */
  public enum Work {
    /** No query and no key. */
    EMPTY,
    /** One query and one key. */
    TINY
  }

  @Param public Work work;

  private Device device;
  private Group group;
  private RankTensors tensors;
  private CrossAttention attention;
  private Statistics statistics;
  private Tensor outputPart;
  private Tensor logSumExpPart;
  private Tensor output;
  private Tensor logSumExp;

  @Setup
  public void setUp() {
    int rows = work == Work.EMPTY ? 0 : 1;
    Sizes sizes = new Sizes(1, rows, rows, 1, 1, 8);
    device = Device.cpu(CpuOptions.builder().threads(1).build());
    group = Group.self(device);
    tensors = new RankTensors(group, sizes, DType.FLOAT32, true);
    attention = RankTensors.attention(sizes, Strategy.QUERY_RING);
    statistics = Statistics.create();
    long[] shape = {1, rows, 1, sizes.headDim()};
    outputPart = Tensor.allocate(device, DType.FLOAT32, shape);
    output = Tensor.allocate(device, DType.FLOAT32, shape);
    logSumExpPart = Tensor.allocate(device, DType.FLOAT32, 1, 1, rows);
    logSumExp = Tensor.allocate(device, DType.FLOAT32, 1, 1, rows);
  }

  @TearDown
  public void tearDown() {
    logSumExp.close();
    logSumExpPart.close();
    output.close();
    outputPart.close();
    tensors.close();
    group.close();
    device.close();
  }

  @Benchmark
  public double forward() {
    tensors.forward(attention, statistics);
    NativeTime.add(statistics);
    return statistics.totalSeconds();
  }

  @Benchmark
  public double backward() {
    tensors.backward(attention, statistics);
    NativeTime.add(statistics);
    return statistics.totalSeconds();
  }

  @Benchmark
  public Tensor merge() {
    PartialAttention.merge(device, outputPart, logSumExpPart, output, logSumExp);
    return output;
  }

  @Benchmark
  public Tensor delta() {
    PartialAttention.delta(device, output, outputPart, logSumExp);
    return logSumExp;
  }

  @Benchmark
  public Group barrier() {
    group.barrier();
    return group;
  }
}
