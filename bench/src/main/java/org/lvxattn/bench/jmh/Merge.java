// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.jmh;

import java.util.concurrent.TimeUnit;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.PartialAttention;
import org.lvxattn.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Merging a partial result into another, as every home rank does for each peer. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls setUp before it measures
public class Merge {
  private static final int HEADS = 32;
  private static final int HEAD_DIM = 128;

  @Param({"1", "128", "1024"})
  public int queries;

  private Device device;
  private Tensor outputPart;
  private Tensor logSumExpPart;
  private Tensor output;
  private Tensor logSumExp;

  @Setup
  public void setUp() {
    device = Device.cpu();
    outputPart = Tensor.allocate(device, DType.FLOAT32, 1, queries, HEADS, HEAD_DIM);
    logSumExpPart = Tensor.allocate(device, DType.FLOAT32, 1, HEADS, queries);
    output = Tensor.allocate(device, DType.FLOAT32, 1, queries, HEADS, HEAD_DIM);
    logSumExp = Tensor.allocate(device, DType.FLOAT32, 1, HEADS, queries);
  }

  @TearDown
  public void tearDown() {
    logSumExp.close();
    output.close();
    logSumExpPart.close();
    outputPart.close();
    device.close();
  }

  @Benchmark
  public Tensor merge() {
    PartialAttention.merge(device, outputPart, logSumExpPart, output, logSumExp);
    return output;
  }
}
