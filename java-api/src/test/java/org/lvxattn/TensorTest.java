// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TensorTest {
  private Device device;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
  }

  @AfterEach
  void close() {
    device.close();
  }

  @Test
  void isZeroedAndRowMajor() {
    try (Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 2, 3, 4)) {
      assertThat(tensor.shape()).containsExactly(2, 3, 4);
      assertThat(tensor.strides()).containsExactly(12, 4, 1);
      assertThat(tensor.elements()).isEqualTo(24);
      assertThat(tensor.rank()).isEqualTo(3);
      assertThat(tensor.dimension(1)).isEqualTo(3);
      assertThat(tensor.toFloats()).hasSize(24).containsOnly(0f);
      assertThat(tensor.segment().byteSize()).isEqualTo(96);
      assertThat(device.bytesInUse()).isGreaterThanOrEqualTo(96);
    }
    assertThat(device.bytesInUse()).isZero();
    assertThat(device.peakBytes()).isGreaterThanOrEqualTo(96);
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "INT32")
  void keepsWhatItsDtypeCanHold(DType dtype) {
    double[] values = {0, -1, 0.5, 65504, -0.0, Double.POSITIVE_INFINITY, Double.NaN, 1.5};
    if (dtype == DType.BFLOAT16) {
      values[3] = 65536;
    }
    try (Tensor tensor = Tensor.allocate(device, dtype, 2, 4)) {
      assertThat(tensor.copyFrom(values).toDoubles()).isEqualTo(values);
      float[] floats = tensor.toFloats();
      assertThat(tensor.copyFrom(floats).toDoubles()).isEqualTo(values);
    }
  }

  @Test
  void roundsToNearestEvenOnce() {
    // Half-way between two bfloat16 numbers, except for a bit that float32 cannot hold.
    double[] values = {1 + 0x1p-8, 1 + 0x1p-8 + 0x1p-40, 1 + 3 * 0x1p-8, -1 - 0x1p-8 - 0x1p-40};
    try (Tensor tensor = Tensor.allocate(device, DType.BFLOAT16, 4)) {
      assertThat(tensor.copyFrom(values).toDoubles())
          .containsExactly(1, 1 + 0x1p-7, 1 + 4 * 0x1p-8, -1 - 0x1p-7);
    }
    double[] halves = {1 + 0x1p-11, 1 + 0x1p-11 + 0x1p-40, 65519.999999, 65520, 0x1p-25};
    try (Tensor tensor = Tensor.allocate(device, DType.FLOAT16, 5)) {
      assertThat(tensor.copyFrom(halves).toDoubles())
          .containsExactly(1, 1 + 0x1p-10, 65504, Double.POSITIVE_INFINITY, 0);
    }
  }

  @Test
  void integersAreNotConverted() {
    try (Tensor ranges = Tensor.allocate(device, DType.INT32, 3);
        Tensor floats = Tensor.allocate(device, DType.FLOAT32, 3)) {
      int[] values = {-1, 0, Integer.MAX_VALUE};
      assertThat(ranges.copyFrom(values).toInts()).isEqualTo(values);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> ranges.copyFrom(new float[3]))
          .withMessageContaining("int32");
      assertThatIllegalArgumentException().isThrownBy(() -> floats.copyFrom(new int[3]));
      assertThatIllegalArgumentException().isThrownBy(() -> floats.copyFrom(ranges));
      assertThatIllegalStateException().isThrownBy(ranges::toFloats);
      assertThatIllegalStateException().isThrownBy(floats::toInts);
    }
  }

  @Test
  void viewsShareMemoryInLogicalOrder() {
    try (Tensor tensor = Tensor.allocate(device, DType.FLOAT64, 2, 3)) {
      tensor.copyFrom(new double[] {1, 2, 3, 4, 5, 6});
      try (Tensor turned = tensor.permute(1, 0);
          Tensor part = turned.slice(0, 1, 3)) {
        assertThat(turned.shape()).containsExactly(3, 2);
        assertThat(turned.toDoubles()).containsExactly(1, 4, 2, 5, 3, 6);
        assertThat(part.toDoubles()).containsExactly(2, 5, 3, 6);
        part.copyFrom(new double[] {20, 50, 30, 60});
        assertThat(tensor.toDoubles()).containsExactly(1, 20, 30, 4, 50, 60);
        assertThat(part.segment().get(ValueLayout.JAVA_DOUBLE, 0)).isEqualTo(20);
      }
      try (Tensor nothing = tensor.slice(0, 2, 2)) {
        assertThat(nothing.toDoubles()).isEmpty();
      }
    }
  }

  @Test
  void copiesBetweenDtypesStridesAndOverlappingViews() {
    try (Tensor from = Tensor.allocate(device, DType.FLOAT64, 2, 3);
        Tensor to = Tensor.allocate(device, DType.FLOAT16, 3, 2);
        Tensor turned = to.permute(1, 0)) {
      from.copyFrom(new double[] {1, 2, 3, 4, 5, 6});
      turned.copyFrom(from);
      assertThat(to.toFloats()).containsExactly(1, 4, 2, 5, 3, 6);

      try (Tensor left = from.slice(1, 0, 2);
          Tensor right = from.slice(1, 1, 3)) {
        right.copyFrom(left);
      }
      assertThat(from.toDoubles()).containsExactly(1, 1, 2, 4, 4, 5);
    }
  }

  @Test
  void scalarsAndEmptyTensorsAreTensors() {
    try (Tensor scalar = Tensor.allocate(device, DType.FLOAT32);
        Tensor empty = Tensor.allocate(device, DType.FLOAT32, 3, 0, 2)) {
      assertThat(scalar.copyFrom(new float[] {7}).toFloats()).containsExactly(7f);
      assertThat(empty.copyFrom(new float[0]).toFloats()).isEmpty();
      assertThat(empty.segment().byteSize()).isZero();
    }
  }

  @Test
  void reshapesWhatLiesEvenly() {
    try (Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 2, 3, 4)) {
      float[] values = new float[24];
      for (int i = 0; i < values.length; i++) {
        values[i] = i;
      }
      tensor.copyFrom(values);
      for (long[] shape :
          new long[][] {{24}, {6, 4}, {2, 12}, {4, 6}, {1, 2, 3, 1, 4, 1}, {2, 3, 2, 2}, {3, 8}}) {
        Tensor view = tensor.reshape(shape);
        assertThat(view.shape()).containsExactly(shape);
        assertThat(view.toFloats()).containsExactly(values);
      }
      // Rows of a slice of columns can be split, and joined with dimensions of matching stride.
      Tensor columns = tensor.slice(2, 1, 3);
      assertThat(columns.reshape(6, 2).toFloats()).containsExactly(columns.toFloats());
      assertThat(columns.reshape(2, 3, 1, 2).strides()).containsExactly(12, 4, 2, 1);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> columns.reshape(2, 6))
          .withMessageContaining("shape [2, 6]")
          .withMessageContaining("strides [12, 4, 1]");
      Tensor turned = tensor.permute(1, 0, 2);
      assertThat(turned.reshape(3, 2, 2, 2).toFloats()).containsExactly(turned.toFloats());
      assertThatIllegalArgumentException().isThrownBy(() -> turned.reshape(6, 4));
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.reshape(5, 5))
          .withMessageContaining("25 elements; the 24");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.reshape(-1, 24))
          .withMessageContaining("shape[0] is -1");
      tensor.reshape(24).copyFrom(new float[24]);
      assertThat(tensor.toFloats()).containsOnly(0f);
    }
    Tensor closed = Tensor.allocate(device, DType.FLOAT32, 4);
    Tensor view = closed.reshape(2, 2);
    closed.close();
    assertThatIllegalStateException().isThrownBy(view::toFloats);
    assertThatIllegalStateException().isThrownBy(() -> closed.reshape(2, 2));
    try (Tensor empty = Tensor.allocate(device, DType.FLOAT32, 2, 0, 3);
        Tensor scalar = Tensor.allocate(device, DType.FLOAT32)) {
      assertThat(empty.reshape(0, 7).toFloats()).isEmpty();
      assertThat(scalar.reshape(1, 1).toFloats()).containsExactly(0f);
      assertThat(scalar.reshape(1, 1).reshape().shape()).isEmpty();
    }
  }

  @Test
  void wrapsMemoryOfTheCaller() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 4, 5, 6, 7);
      try (Tensor tensor =
          Tensor.wrap(device, memory, DType.FLOAT32, new long[] {2, 2}, new long[] {4, 1})) {
        assertThat(tensor.toFloats()).containsExactly(1, 2, 5, 6);
        tensor.copyFrom(new float[] {10, 20, 50, 60});
        assertThat(tensor.segment()).isEqualTo(memory);
      }
      assertThat(memory.toArray(ValueLayout.JAVA_FLOAT)).containsExactly(10, 20, 3, 4, 50, 60, 7);
    }
  }

  @Test
  void wrapChecksTheSegment() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(64, 8);
      long[] four = {4};
      assertThatIllegalArgumentException()
          .isThrownBy(
              () ->
                  Tensor.wrap(
                      device, MemorySegment.ofArray(new float[4]), DType.FLOAT32, four, null))
          .withMessageContaining("segment lies on the Java heap");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Tensor.wrap(device, memory, DType.FLOAT64, new long[] {9}, null))
          .withMessageContaining("segment has 64 bytes; at least 72");
      assertThatIllegalArgumentException()
          .isThrownBy(
              () ->
                  Tensor.wrap(device, memory, DType.FLOAT64, new long[] {2, 2}, new long[] {7, 1}))
          .withMessageContaining("segment has 64 bytes; at least 72");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Tensor.wrap(device, memory.asSlice(2), DType.FLOAT32, four, null))
          .withMessageContaining("segment is not aligned");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Tensor.wrap(device, memory, DType.FLOAT32, four, new long[] {-1}))
          .withMessageContaining("strides[0] is -1");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Tensor.wrap(device, memory, DType.FLOAT32, four, new long[] {1, 1}))
          .withMessageContaining("strides has 2 entries");
      assertThatIllegalArgumentException()
          .isThrownBy(
              () ->
                  Tensor.wrap(
                      device,
                      memory,
                      DType.FLOAT32,
                      new long[] {3, 3},
                      new long[] {Long.MAX_VALUE / 2, 1}))
          .withMessageContaining("strides");
    }
  }

  @Test
  void aWrappedArenaThatWasClosedIsNotTouched() {
    Tensor tensor;
    try (Arena arena = Arena.ofShared()) {
      tensor = Tensor.wrap(device, arena.allocate(64, 8), DType.FLOAT32, new long[] {16}, null);
    }
    assertThatIllegalStateException()
        .isThrownBy(tensor::toFloats)
        .withMessageContaining("arena was closed");
    tensor.close();
  }

  @Test
  void aReadOnlySegmentIsOnlyRead() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2).asReadOnly();
      try (Tensor tensor = Tensor.wrap(device, memory, DType.FLOAT32, new long[] {2}, null)) {
        assertThat(tensor.isReadOnly()).isTrue();
        assertThat(tensor.toFloats()).containsExactly(1, 2);
        assertThatThrownBy(() -> tensor.copyFrom(new float[2]))
            .isInstanceOf(UnsupportedOperationException.class)
            .hasMessageContaining("read-only");
      }
    }
  }

  @Test
  void nothingWorksAfterClose() {
    Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 2, 2);
    Tensor view = tensor.permute(1, 0);
    MemorySegment segment = tensor.segment();
    tensor.close();
    tensor.close();
    assertThatIllegalStateException().isThrownBy(tensor::toFloats).withMessageContaining("closed");
    assertThatIllegalStateException().isThrownBy(tensor::segment);
    assertThatIllegalStateException().isThrownBy(() -> tensor.slice(0, 0, 1));
    assertThatIllegalStateException()
        .isThrownBy(view::toFloats)
        .withMessageContaining("view of was closed");
    assertThatIllegalStateException().isThrownBy(() -> segment.get(ValueLayout.JAVA_FLOAT, 0));
    view.close();
    view.close();
  }

  @Test
  void shapesAreChecked() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.allocate(device, DType.FLOAT32, 2, -1))
        .withMessageContaining("shape[1] is -1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.allocate(device, DType.FLOAT32, 1L << 31, 1L << 31, 2))
        .withMessageContaining("shape");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.allocate(device, DType.FLOAT32, 0, Long.MAX_VALUE, 2))
        .withMessageContaining("shape");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.allocate(device, DType.FLOAT32, new long[9]))
        .withMessageContaining("9 dimensions");
    assertThatThrownBy(() -> Tensor.allocate(device, DType.FLOAT32, Absent.<long[]>absent()))
        .isInstanceOf(NullPointerException.class)
        .hasMessageContaining("shape");
  }

  @Test
  void aBudgetIsKept() {
    try (Device small = Device.cpu(CpuOptions.builder().threads(1).memoryBudget(1 << 20).build())) {
      assertThatThrownBy(() -> Tensor.allocate(small, DType.FLOAT32, 1 << 20))
          .isInstanceOf(OutOfDeviceMemoryException.class)
          .satisfies(e -> assertThat(((LvxException) e).status()).isEqualTo(Status.OUT_OF_MEMORY));
      Tensor.allocate(small, DType.FLOAT32, 1 << 10).close();
    }
  }
}
