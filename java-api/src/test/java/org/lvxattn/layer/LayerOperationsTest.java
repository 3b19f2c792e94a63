// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;

/**
 * Each operation reaches native code, and none does with wrong arguments; native tests check the
 * numbers.
 */
class LayerOperationsTest {
  private Device device;
  private Device other;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
    other = Device.cpu(CpuOptions.builder().threads(1).build());
  }

  @AfterEach
  void close() {
    other.close();
    device.close();
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "INT32")
  void wrongCallsAreRefusedAndTouchNothing(DType dtype) {
    for (LayerCall call : LayerCall.all(device, dtype)) {
      try (call) {
        call.mark();
        for (String name : call.names()) {
          misuse(call, name);
          assertThat(call.isUntouched()).as(call + " after misuse of " + name).isTrue();
        }
        call.run();
        assertThat(call.isUntouched()).as(call + " as it is meant").isFalse();
      }
    }
  }

  private void misuse(LayerCall call, String name) {
    Tensor good = call.tensor(name);
    if (!call.mayBeNull(name)) {
      expect(NullPointerException.class, call, name, null);
    }
    Tensor closed = Tensor.allocateLike(good);
    closed.close();
    expect(IllegalStateException.class, call, name, closed);
    expectAllocated(call, name, other, good.dtype(), good.shape());
    expectAllocated(
        call, name, device, good.dtype().isFloating() ? DType.INT32 : DType.FLOAT32, good.shape());
    long[] shape = good.shape();
    expectAllocated(call, name, device, good.dtype(), 1, 1, 1, 1, 1);
    shape[0]++;
    expectAllocated(call, name, device, good.dtype(), shape);
    if (call.isOutput(name)) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment memory = arena.allocate(good.elements() * good.dtype().bytes(), 64);
        try (Tensor readOnly =
            Tensor.wrap(device, memory.asReadOnly(), good.dtype(), good.shape(), null)) {
          expect(IllegalArgumentException.class, call, name, readOnly);
        }
      }
    }
  }

  private static void expectAllocated(
      LayerCall call, String name, Device place, DType dtype, long... shape) {
    try (Tensor wrong = Tensor.allocate(place, dtype, shape)) {
      expect(IllegalArgumentException.class, call, name, wrong);
    }
  }

  private static void expect(
      Class<? extends RuntimeException> kind, LayerCall call, String name, @Nullable Tensor wrong) {
    Throwable failure = catchThrowable(() -> call.with(name, wrong));
    assertThat(failure).as(call + ", " + name + " as " + wrong).isExactlyInstanceOf(kind);
    // A shape is wrong only in relation to others, and the message may name one of those.
    List<String> candidates = kind == IllegalArgumentException.class ? call.names() : List.of(name);
    assertThat(candidates)
        .as("names in: " + failure.getMessage())
        .anyMatch(candidate -> names(failure, candidate));
  }

  private static boolean names(Throwable failure, String name) {
    String message = String.valueOf(failure.getMessage());
    return Pattern.compile("\\b" + name + "\\b").matcher(message).find();
  }

  private Tensor rows(double... values) {
    return Tensor.allocate(device, DType.FLOAT64, 1, 1, values.length).copyFrom(values);
  }

  private Tensor vector(double... values) {
    return Tensor.allocate(device, DType.FLOAT64, values.length).copyFrom(values);
  }

  private static void close(double[] actual, double... expected) {
    assertThat(actual).usingComparatorWithPrecision(1e-12).containsExactly(expected);
  }

  @Test
  void linearAndItsGradients() {
    try (Tensor x = rows(1, 2);
        Tensor w = Tensor.allocate(device, DType.FLOAT64, 3, 2);
        Tensor b = vector(10, 20, 30);
        Tensor y = rows(0, 0, 0);
        Tensor dy = rows(1, 0, 2);
        Tensor dx = rows(100, 100);
        Tensor dw = Tensor.allocate(device, DType.FLOAT64, 3, 2);
        Tensor db = vector(1, 1, 1)) {
      w.copyFrom(new double[] {1, 2, 3, 4, 5, 6});
      LayerOperations.linear(x, w, b, y);
      close(y.toDoubles(), 15, 31, 47);
      LayerOperations.linear(x, w, null, y);
      close(y.toDoubles(), 5, 11, 17);
      LayerOperations.linearBackward(x, w, dy, dx, true, dw, db);
      close(dx.toDoubles(), 111, 114);
      close(dw.toDoubles(), 1, 2, 0, 0, 2, 4);
      close(db.toDoubles(), 2, 1, 3);
      LayerOperations.linearBackward(null, w, dy, dx, false, null, null);
      close(dx.toDoubles(), 11, 14);
      assertThatThrownBy(() -> LayerOperations.linearBackward(null, w, dy, dx, false, dw, null))
          .isInstanceOf(NullPointerException.class)
          .hasMessage("x is null");
    }
  }

  @Test
  void normsAndRotaryEmbedding() {
    try (Tensor x = rows(3, 4);
        Tensor weight = vector(1, 2);
        Tensor bias = vector(10, 20);
        Tensor y = rows(0, 0);
        Tensor positions = Tensor.allocate(device, DType.INT32, 1, 1)) {
      double root = Math.sqrt(12.5);
      LayerOperations.norm(Norm.RMS, 0, x, weight, null, y);
      close(y.toDoubles(), 3 / root, 8 / root);
      LayerOperations.norm(Norm.LAYER, 0, x, weight, bias, y);
      close(y.toDoubles(), 9, 22);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> LayerOperations.norm(Norm.NONE, 0, x, weight, null, y))
          .withMessageContaining("norm");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> LayerOperations.norm(Norm.RMS, 0, x, weight, bias, y))
          .withMessageContaining("bias");
      positions.copyFrom(new int[] {1});
      try (Tensor heads = x.reshape(1, 1, 1, 2)) {
        LayerOperations.rotary(1e4, false, heads, positions, heads);
        close(x.toDoubles(), 3 * Math.cos(1) - 4 * Math.sin(1), 4 * Math.cos(1) + 3 * Math.sin(1));
        LayerOperations.rotary(1e4, true, heads, positions, heads);
        close(x.toDoubles(), 3, 4);
      }
    }
  }

  @Test
  void activationsAndGates() {
    double sigmoid = 1 / (1 + Math.exp(-2));
    try (Tensor a = rows(2, 2);
        Tensor b = rows(3, -3);
        Tensor y = rows(0, 0);
        Tensor gate = vector(0.5);
        Tensor gates = vector(2, 0);
        Tensor live = Tensor.allocate(device, DType.INT32, 1, 1)) {
      LayerOperations.swiglu(a, b, y);
      close(y.toDoubles(), 6 * sigmoid, -6 * sigmoid);
      LayerOperations.gelu(a, y);
      assertThat(y.toDoubles()[0]).isCloseTo(1.9544997361036416, within(1e-12));
      LayerOperations.gatedAdd(a, b, gate, null, y);
      close(y.toDoubles(), 2 + 3 * Math.tanh(0.5), 2 - 3 * Math.tanh(0.5));
      LayerOperations.gatedAdd(a, b, null, live, y);
      close(y.toDoubles(), 2, 2);
      LayerOperations.blend(a, b, gates, null, y);
      close(y.toDoubles(), 2 + sigmoid, -0.5);
      LayerOperations.add(a, y);
      close(y.toDoubles(), 4 + sigmoid, 1.5);
      LayerOperations.clearRows(live, y);
      close(y.toDoubles(), 0, 0);
    }
  }
}
