// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Scopes close their tensors; tensors are allocated and filled in one expression. */
class TensorScopeTest {
  private final Device device = Device.cpu(CpuOptions.builder().threads(1).build());

  @AfterEach
  void close() {
    device.close();
  }

  @Test
  void closesTheNewestFirstAndOnlyOnce() {
    List<String> closed = new ArrayList<>();
    TensorScope scope = new TensorScope(device);
    scope.<AutoCloseable>add(() -> closed.add("first"));
    Tensor tensor = scope.allocate(DType.FLOAT32, 2, 3);
    scope.<AutoCloseable>add(() -> closed.add("second, tensor " + tensor.elements()));
    Tensor alike = scope.like(tensor);
    assertThat(alike.shape()).containsExactly(2, 3);
    scope.close();
    scope.close();
    assertThat(closed).containsExactly("second, tensor 6", "first");
    assertThat(device.bytesInUse()).isZero();
  }

  @Test
  void keepsGoingWhereACloseThrows() {
    TensorScope scope = new TensorScope(device);
    scope.allocate(DType.FLOAT32, 2);
    scope.<AutoCloseable>add(
        () -> {
          throw new IllegalStateException("earlier");
        });
    scope.<AutoCloseable>add(
        () -> {
          throw new IllegalArgumentException("later");
        });
    assertThatThrownBy(scope::close)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("later")
        .satisfies(
            failure ->
                assertThat(failure.getSuppressed())
                    .singleElement()
                    .isInstanceOf(IllegalStateException.class));
    assertThat(device.bytesInUse()).isZero();
  }

  @Test
  void fillsWhatItAllocates() {
    try (TensorScope scope = new TensorScope(device)) {
      float[] floats = {1, 2, 3, 4, 5, 6};
      assertThat(scope.add(Tensor.of(device, DType.FLOAT64, floats, 2, 3)).toFloats())
          .isEqualTo(floats);
      double[] doubles = {1.5, -2};
      assertThat(scope.add(Tensor.of(device, DType.BFLOAT16, doubles, 2)).toDoubles())
          .isEqualTo(doubles);
      int[] ints = {7, -8};
      Tensor whole = scope.add(Tensor.of(device, ints, 1, 2));
      assertThat(whole.dtype()).isEqualTo(DType.INT32);
      assertThat(whole.toInts()).isEqualTo(ints);
    }
  }

  @Test
  void leaksNothingWhereFillingThrows() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.of(device, DType.FLOAT32, new float[5], 2, 3))
        .withMessageContaining("values has 5 elements; 6 were expected");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.of(device, DType.INT32, new double[6], 2, 3));
    assertThatExceptionOfType(NullPointerException.class)
        .isThrownBy(() -> Tensor.of(device, Absent.<int[]>absent(), 1))
        .withMessage("values is null");
    assertThat(device.bytesInUse()).isZero();
  }
}
