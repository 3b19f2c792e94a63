// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.jmh;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Times creating and closing of objects that own memory, beside the JDK's arenas. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls setUp before it measures
public class Lifetimes {
  private static final long ELEMENTS = 1024;

  private Device device;
  private Tensor tensor;
  private Arena arena;
  private MemorySegment segment;
  private final long[] shape = {ELEMENTS};

  @Setup
  public void setUp() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
    tensor = Tensor.allocate(device, DType.FLOAT32, ELEMENTS);
    arena = Arena.ofConfined();
    segment = arena.allocate(ELEMENTS * Float.BYTES, Float.BYTES);
  }

  @TearDown
  public void tearDown() {
    tensor.close();
    device.close();
    arena.close();
  }

  @Benchmark
  public long arenaConfined() {
    try (Arena own = Arena.ofConfined()) {
      return own.allocate(ELEMENTS * Float.BYTES, Float.BYTES).byteSize();
    }
  }

  @Benchmark
  public long arenaShared() {
    try (Arena own = Arena.ofShared()) {
      return own.allocate(ELEMENTS * Float.BYTES, Float.BYTES).byteSize();
    }
  }

  @Benchmark
  public long tensorAllocated() {
    try (Tensor own = Tensor.allocate(device, DType.FLOAT32, ELEMENTS)) {
      return own.elements();
    }
  }

  @Benchmark
  public long tensorWrapped() {
    try (Tensor own = Tensor.wrap(device, segment, DType.FLOAT32, shape, null)) {
      return own.elements();
    }
  }

  @Benchmark
  public long tensorSliced() {
    try (Tensor own = tensor.slice(0, 0, ELEMENTS / 2)) {
      return own.elements();
    }
  }

  @Benchmark
  public int groupSelf() {
    try (Group own = Group.self(device)) {
      return own.size();
    }
  }

  @Benchmark
  public int deviceOfOneThread() {
    try (Device own = Device.cpu(CpuOptions.builder().threads(1).build())) {
      return own.threads();
    }
  }
}
