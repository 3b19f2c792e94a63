// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.ReferenceAttention;
import org.lvxattn.Tensor;

/**
 * The float64 oracle over a whole attention problem, on inputs rounded to a dtype. The oracle is
 * single-threaded, so each key head with its query heads is a separate task of a thread pool.
 */
public final class Oracle implements AutoCloseable {
  private final Inputs inputs;
  private final DType rounding;
  private final boolean backward;
  private final Arena arena = Arena.ofShared();
  private final Map<String, MemorySegment> memory = new LinkedHashMap<>();

  public Oracle(Inputs inputs, DType rounding, boolean backward) {
    this.inputs = inputs;
    this.rounding = rounding;
    this.backward = backward;
    AttentionShape shape = inputs.shape();
    long queryNumbers = shape.batch() * shape.queries() * shape.queryWidth();
    long keyNumbers = shape.batch() * shape.keys() * shape.keyWidth();
    for (String name : List.of("q", "o", "dO", "dq")) {
      memory.put(name, doubles(queryNumbers));
    }
    for (String name : List.of("k", "v", "dk", "dv")) {
      memory.put(name, doubles(keyNumbers));
    }
    memory.put("lse", doubles(shape.batch() * shape.queries() * shape.queryHeads()));
  }

  private MemorySegment doubles(long count) {
    if (count > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "a tensor of " + count + " numbers is too large to be checked; expected less than 2^31");
    }
    return arena.allocate(ValueLayout.JAVA_DOUBLE, count);
  }

  /** Computes everything; calls step once for each key head, {@link #steps} times. */
  public Results solve(Runnable step) throws InterruptedException {
    fill();
    try (ExecutorService threads =
        Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors())) {
      List<Future<?>> heads = new ArrayList<>();
      for (int head = 0; head < inputs.shape().keyHeads(); head++) {
        int keyHead = head;
        heads.add(threads.submit(() -> solveHead(keyHead, step)));
      }
      for (Future<?> head : heads) {
        head.get();
      }
    } catch (ExecutionException e) {
      throw new IllegalStateException("the oracle failed: " + e.getCause(), e.getCause());
    }
    Results results = new Results();
    for (String name : backward ? List.of("o", "lse", "dq", "dk", "dv") : List.of("o", "lse")) {
      results.put(name, segment(name).toArray(ValueLayout.JAVA_DOUBLE));
    }
    return results;
  }

  public int steps() {
    return inputs.shape().keyHeads();
  }

  private void fill() {
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build())) {
      fill(device, "q", inputs.queries(), inputs.shape().queries(), inputs.shape().queryHeads());
      fill(device, "k", inputs.keys(), inputs.shape().keys(), inputs.shape().keyHeads());
      fill(device, "v", inputs.values(), inputs.shape().keys(), inputs.shape().keyHeads());
      if (backward) {
        fill(
            device,
            "dO",
            inputs.outputGradient(),
            inputs.shape().queries(),
            inputs.shape().queryHeads());
      }
    }
  }

  private void fill(Device device, String name, Rows rows, long count, int heads) {
    AttentionShape shape = inputs.shape();
    long[] sizes = {shape.batch(), count, heads, shape.headDim()};
    Rows rounded =
        (item, row, into) -> {
          rows.read(item, row, into);
          for (int i = 0; i < into.length; i++) {
            into[i] = Rounding.round(into[i], rounding);
          }
        };
    try (Tensor tensor = Tensor.wrap(device, segment(name), DType.FLOAT64, sizes, null)) {
      rounded.fill(tensor, 0);
    }
  }

  /** One key head and the query heads that read it. */
  private void solveHead(int keyHead, Runnable step) {
    AttentionShape shape = inputs.shape();
    int group = shape.queryHeads() / shape.keyHeads();
    long from = (long) keyHead * group;
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Tensor q = queries(device, "q");
        Tensor k = keys(device, "k");
        Tensor v = keys(device, "v");
        Tensor o = queries(device, "o");
        Tensor lse =
            Tensor.wrap(
                device,
                segment("lse"),
                DType.FLOAT64,
                new long[] {shape.batch(), shape.queryHeads(), shape.queries()},
                null)) {
      Tensor headQ = q.slice(2, from, from + group);
      Tensor headK = k.slice(2, keyHead, keyHead + 1);
      Tensor headV = v.slice(2, keyHead, keyHead + 1);
      Tensor headO = o.slice(2, from, from + group);
      Tensor headLse = lse.slice(1, from, from + group);
      ReferenceAttention.forward(shape.scale(), headQ, headK, headV, Mask.none(), headO, headLse);
      if (backward) {
        try (Tensor dO = queries(device, "dO");
            Tensor dq = queries(device, "dq");
            Tensor dk = keys(device, "dk");
            Tensor dv = keys(device, "dv")) {
          ReferenceAttention.backward(
              shape.scale(),
              headQ,
              headK,
              headV,
              Mask.none(),
              headO,
              headLse,
              dO.slice(2, from, from + group),
              dq.slice(2, from, from + group),
              dk.slice(2, keyHead, keyHead + 1),
              dv.slice(2, keyHead, keyHead + 1),
              null);
        }
      }
    }
    step.run();
  }

  private Tensor queries(Device device, String name) {
    AttentionShape shape = inputs.shape();
    long[] sizes = {shape.batch(), shape.queries(), shape.queryHeads(), shape.headDim()};
    return Tensor.wrap(device, segment(name), DType.FLOAT64, sizes, null);
  }

  private Tensor keys(Device device, String name) {
    AttentionShape shape = inputs.shape();
    long[] sizes = {shape.batch(), shape.keys(), shape.keyHeads(), shape.headDim()};
    return Tensor.wrap(device, segment(name), DType.FLOAT64, sizes, null);
  }

  private MemorySegment segment(String name) {
    MemorySegment segment = memory.get(name);
    if (segment == null) {
      throw new IllegalArgumentException("no tensor " + name);
    }
    return segment;
  }

  @Override
  public void close() {
    arena.close();
  }
}
