// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.layer.LayerOperations;
import org.lvxattn.testing.Seeds;

/**
 * Enumerates wrong calls. Each must throw the right exception, whose message names the argument,
 * and must leave outputs unchanged and all objects usable.
 */
@Timeout(120)
class MisuseTest {
  private static final List<DType> FLOATING =
      List.of(DType.FLOAT64, DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16);

  private final List<AutoCloseable> garbage = new ArrayList<>();
  private Device device;
  private Device other;
  private Group group;
  private int calls;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
    other = Device.cpu(CpuOptions.builder().threads(1).build());
    group = Group.self(device);
  }

  @AfterEach
  void close() {
    group.close();
    other.close();
    device.close();
  }

  @Test
  void aThousandWrongCallsOfAttention() throws Exception {
    for (DType dtype : FLOATING) {
      for (boolean backward : new boolean[] {false, true}) {
        try (Problem problem = Problem.alone(device, dtype)) {
          problem.forward(group);
          AttentionCall call = new AttentionCall(group, problem, backward);
          call.mark();
          for (String name : call.names()) {
            misuse(call, name);
            assertThat(call.isUntouched()).as("outputs after misuse of " + name).isTrue();
          }
          call.run();
          assertThat(call.isUntouched()).isFalse();
        }
      }
    }
    assertThat(calls).isGreaterThanOrEqualTo(1000);
  }

  private void misuse(AttentionCall call, String name) throws Exception {
    Tensor good = call.tensor(name);
    if (!call.mayBeNull(name)) {
      expect(NullPointerException.class, call, name, null);
    }
    wrongLife(call, name, good);
    wrongType(call, name, good);
    wrongShape(call, name, good);
    if (call.isOutput(name)) {
      wrongTarget(call, name, good);
    }
    for (AutoCloseable forgotten : garbage) {
      forgotten.close();
    }
    garbage.clear();
  }

  private void wrongLife(AttentionCall call, String name, Tensor good) {
    Tensor closed = Tensor.allocateLike(good);
    Tensor view = closed.slice(0, 0, closed.dimension(0));
    closed.close();
    expect(IllegalStateException.class, call, name, closed);
    expect(IllegalStateException.class, call, name, view);
    view.close();

    Tensor wrapped;
    try (Arena arena = Arena.ofConfined()) {
      wrapped = keep(Tensor.wrap(device, memory(arena, good), good.dtype(), good.shape(), null));
    }
    expect(IllegalStateException.class, call, name, wrapped);

    expect(
        IllegalArgumentException.class,
        call,
        name,
        keep(Tensor.allocate(other, good.dtype(), good.shape())));
  }

  private void wrongType(AttentionCall call, String name, Tensor good) {
    for (DType dtype : DType.values()) {
      // A bias may be float32 for any dtype of queries, but then its gradient is float32, too.
      boolean allowed =
          name.equals("bias")
              && dtype == DType.FLOAT32
              && call.tensor("q").dtype() != DType.FLOAT64
              && !call.names().contains("dBias");
      if (dtype != good.dtype() && !allowed) {
        expect(
            IllegalArgumentException.class,
            call,
            name,
            keep(Tensor.allocate(device, dtype, good.shape())));
      }
    }
  }

  private void wrongShape(AttentionCall call, String name, Tensor good) {
    long[] shape = good.shape();
    expectShape(call, name, good, Arrays.copyOf(shape, shape.length - 1));
    long[] longer = Arrays.copyOf(shape, shape.length + 1);
    longer[shape.length] = 1;
    expectShape(call, name, good, longer);
    for (int i = 0; i < shape.length; i++) {
      // A bias may have batch 1, and visibility any number of ranges.
      boolean free =
          (name.equals("visibility") && i == 2)
              || (name.equals("bias") && i == 0 && !call.names().contains("dBias"));
      if (!free) {
        long[] larger = shape.clone();
        larger[i]++;
        expectShape(call, name, good, larger);
        long[] smaller = shape.clone();
        smaller[i] = 0;
        expectShape(call, name, good, smaller);
      }
    }
    if (!name.equals("visibility")) {
      // The right shape, but the last dimension is not contiguous.
      int last = shape.length - 1;
      long[] turned = shape.clone();
      turned[last] = shape[last - 1];
      turned[last - 1] = shape[last];
      int[] order = new int[shape.length];
      Arrays.setAll(order, i -> i);
      order[last] = last - 1;
      order[last - 1] = last;
      Tensor memory = keep(Tensor.allocate(device, good.dtype(), turned));
      try (Tensor view = memory.permute(order)) {
        expect(IllegalArgumentException.class, call, name, view);
      }
    }
  }

  private void expectShape(AttentionCall call, String name, Tensor good, long[] shape) {
    expect(
        IllegalArgumentException.class,
        call,
        name,
        keep(Tensor.allocate(device, good.dtype(), shape)));
  }

  private void wrongTarget(AttentionCall call, String name, Tensor good) {
    for (String another : call.names()) {
      if (!another.equals(name)) {
        expect(IllegalArgumentException.class, call, name, call.tensor(another));
      }
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = memory(arena, good);
      try (Tensor readOnly =
              Tensor.wrap(device, memory.asReadOnly(), good.dtype(), good.shape(), null);
          Tensor onItself =
              Tensor.wrap(device, memory, good.dtype(), good.shape(), broadcast(good))) {
        expect(IllegalArgumentException.class, call, name, readOnly);
        expect(IllegalArgumentException.class, call, name, onItself);
      }
    }
  }

  /** Strides with 0 along the second dimension, which has an extent above 1 in every output. */
  private static long[] broadcast(Tensor tensor) {
    long[] strides = tensor.strides();
    strides[1] = 0;
    return strides;
  }

  private static MemorySegment memory(Arena arena, Tensor tensor) {
    return arena.allocate(tensor.elements() * tensor.dtype().bytes(), 64);
  }

  private Tensor keep(Tensor tensor) {
    garbage.add(tensor);
    return tensor;
  }

  private void expect(
      Class<? extends RuntimeException> kind,
      AttentionCall call,
      String name,
      @Nullable Tensor wrong) {
    calls++;
    Throwable failure = catchThrowable(() -> call.with(name, wrong));
    assertThat(failure).as(name + " as " + wrong).isExactlyInstanceOf(kind);
    // A shape is wrong only in relation to others, and the message may name one of those.
    boolean related = kind == IllegalArgumentException.class;
    assertThat(related ? call.names() : List.of(name))
        .as("names in: " + failure.getMessage())
        .anyMatch(candidate -> names(failure, candidate));
  }

  private static boolean names(Throwable failure, String name) {
    String message = String.valueOf(failure.getMessage());
    return Pattern.compile("\\b" + name + "\\b").matcher(message).find();
  }

  @Test
  void hundredsOfWrongCallsOnTensors() {
    Random random = Seeds.random(7);
    try (Arena arena = Arena.ofConfined();
        Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 3, 4, 5)) {
      MemorySegment memory = arena.allocate(3 * 4 * 5 * 4, 64);
      for (int i = 0; i < 200; i++) {
        int outside = random.nextBoolean() ? 3 + random.nextInt(9) : -1 - random.nextInt(9);
        long from = random.nextInt(5);
        refused("dimension", () -> tensor.dimension(outside));
        refused("dimension", () -> tensor.slice(outside, 0, 1));
        refused("to", () -> tensor.slice(1, from, 5 + random.nextInt(9)));
        refused("from", () -> tensor.slice(1, -1 - random.nextInt(9), 2));
        refused("order", () -> tensor.permute(0, 1, outside));
        refused("order", () -> tensor.permute(1, 1, 0));
        refused("source", () -> tensor.copyFrom(new float[random.nextInt(60)]));
        refused("source", () -> tensor.copyFrom(new double[61 + random.nextInt(60)]));
        long extent = 61L + random.nextInt(1000);
        refused(
            "segment", () -> Tensor.wrap(device, memory, DType.FLOAT32, new long[] {extent}, null));
        refused(
            "strides",
            () ->
                Tensor.wrap(
                    device, memory, DType.FLOAT32, new long[] {2, 2}, new long[] {outside, -1}));
        refused("shape", () -> Tensor.allocate(device, DType.FLOAT16, 2, -extent));
        refused("n", () -> Probe.gemmSeconds(device, -extent));
        refused("bytes", () -> Probe.readSeconds(device, -extent));
      }
    }
  }

  @Test
  void nullIsNamedEverywhere() {
    try (Problem problem = Problem.alone(device, DType.FLOAT32);
        AttentionForward forward =
            problem.attention.forward(group, problem.q, problem.k, problem.v)) {
      CrossAttention attention = problem.attention;
      absent("group", nil -> attention.forward(cast(nil), problem.q, problem.k, problem.v));
      absent("q", nil -> attention.forward(group, cast(nil), problem.k, problem.v));
      absent("k", nil -> attention.forward(group, problem.q, cast(nil), problem.v));
      absent("mask", nil -> attention.forward(group, problem.q, problem.k, problem.v, cast(nil)));
      absent("forward", nil -> attention.backward(group, cast(nil), problem.dO));
      absent("dO", nil -> attention.backward(group, forward, cast(nil)));
      absent("device", nil -> Tensor.allocate(cast(nil), DType.FLOAT32, 1));
      absent("dtype", nil -> Tensor.allocate(device, cast(nil), 1));
      absent("shape", nil -> problem.q.reshape(Absent.<long[]>absent()));
      absent("tensor", nil -> group.allReduce(cast(nil)));
      absent(
          "norm", nil -> LayerOperations.norm(cast(nil), 0, problem.q, problem.q, null, problem.q));
      absent("order", nil -> problem.q.permute(Absent.<int[]>absent()));
      absent("source", nil -> problem.q.copyFrom(Absent.<Tensor>absent()));
      absent("source", nil -> problem.q.copyFrom(Absent.<float[]>absent()));
      absent(
          "segment",
          nil -> Tensor.wrap(device, (MemorySegment) nil, DType.INT32, new long[1], null));
      absent("next", nil -> device.handOver(cast(nil)));
      absent("device", nil -> Group.self(cast(nil)));
      absent("options", nil -> Group.self(device, cast(nil)));
      absent("device", nil -> Group.fromEnvironment(Absent.<Device>absent()));
      absent("backend", nil -> Group.fromEnvironment(device, cast(nil), GroupOptions.defaults()));
      absent("timeout", nil -> group.setTimeout(cast(nil)));
      absent("options", nil -> LocalWorld.of(2, cast(nil)));
      absent("task", nil -> LocalWorld.run(2, cast(nil)));
      absent("ranges", nil -> Mask.visible(cast(nil)));
      absent("bias", nil -> Mask.bias(cast(nil)));
      absent("strategy", nil -> CrossAttention.builder().strategy(cast(nil)));
      absent("device", nil -> Probe.gemmSeconds(cast(nil), 1));
      absent("mode", nil -> LeakDetector.setMode(cast(nil)));
      absent("lsePart", nil -> merge(problem, cast(nil)));
    }
  }

  private void merge(Problem problem, Tensor lsePart) {
    PartialAttention.merge(device, problem.dO, lsePart, problem.o, problem.lse);
  }

  private static void refused(String name, Runnable misuse) {
    Throwable failure = catchThrowable(misuse::run);
    assertThat(failure).isExactlyInstanceOf(IllegalArgumentException.class);
    assertThat(String.valueOf(failure.getMessage()).toLowerCase(Locale.ROOT)).contains(name);
  }

  private static void absent(String name, Consumer<Object> misuse) {
    Throwable failure = catchThrowable(() -> misuse.accept(Absent.absent()));
    assertThat(failure)
        .isExactlyInstanceOf(NullPointerException.class)
        .hasMessage(name + " is null");
  }

  @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
  private static <T> T cast(Object nil) {
    return (T) nil;
  }
}
