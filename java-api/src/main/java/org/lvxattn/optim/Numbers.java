// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.optim;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.lvxattn.DType;
import org.lvxattn.HostView;
import org.lvxattn.Tensor;

/**
 * The elements of a float64 or float32 tensor in host memory: the tensor's own, or a copy of a
 * GPU's.
 */
final class Numbers implements AutoCloseable {
  private final HostView view;
  private final MemorySegment memory;
  private final boolean doubles;
  private final long count;

  private Numbers(HostView view, boolean doubles, long count) {
    this.view = view;
    this.memory = view.segment();
    this.doubles = doubles;
    this.count = count;
  }

  /** Opens a tensor for reading; {@link #requireFitting} must accept it. */
  static Numbers reading(Tensor tensor) {
    return new Numbers(
        HostView.reading(tensor), tensor.dtype() == DType.FLOAT64, tensor.elements());
  }

  /** Opens a tensor for reading and writing; {@link #commit} writes the elements back. */
  static Numbers updating(Tensor tensor) {
    return new Numbers(
        HostView.updating(tensor), tensor.dtype() == DType.FLOAT64, tensor.elements());
  }

  void commit() {
    view.commit();
  }

  @Override
  public void close() {
    view.close();
  }

  /**
   * @param what name of the tensor for messages
   * @throws IllegalArgumentException if it has another dtype or is not contiguous
   */
  static void requireFitting(Tensor tensor, String what) {
    if (tensor.dtype() != DType.FLOAT64 && tensor.dtype() != DType.FLOAT32) {
      throw new IllegalArgumentException(
          what
              + " is "
              + tensor
              + "; float64 or float32 was expected: small steps are lost in half precision, so keep"
              + " a float32 copy to be updated");
    }
    if (!isCompact(tensor.shape(), tensor.strides())) {
      throw new IllegalArgumentException(
          what
              + " is "
              + tensor
              + " with strides "
              + Arrays.toString(tensor.strides())
              + "; compact row-major order was expected");
    }
  }

  private static boolean isCompact(long[] shape, long[] strides) {
    long expected = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      if (shape[i] == 0) {
        return true;
      }
      if (shape[i] != 1 && strides[i] != expected) {
        return false;
      }
      expected *= shape[i];
    }
    return true;
  }

  long count() {
    return count;
  }

  double get(long index) {
    return doubles
        ? memory.getAtIndex(ValueLayout.JAVA_DOUBLE, index)
        : memory.getAtIndex(ValueLayout.JAVA_FLOAT, index);
  }

  void set(long index, double value) {
    if (doubles) {
      memory.setAtIndex(ValueLayout.JAVA_DOUBLE, index, value);
    } else {
      memory.setAtIndex(ValueLayout.JAVA_FLOAT, index, (float) value);
    }
  }
}
