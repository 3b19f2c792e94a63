// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Preconditions;

/** Overflow-checked arithmetic on shapes and strides, in elements. */
public final class Shapes {
  /** The largest number of dimensions; a descriptor has room for no more. */
  public static final int MAX_RANK = 8;

  private Shapes() {}

  /** A copy of a shape, checked. */
  public static long[] checked(long[] shape, ElementType dtype) {
    long[] copy = Preconditions.present(shape, "shape").clone();
    if (copy.length > MAX_RANK) {
      throw new IllegalArgumentException(
          "shape has " + copy.length + " dimensions; at most " + MAX_RANK + " were expected");
    }
    for (int i = 0; i < copy.length; i++) {
      if (copy[i] < 0) {
        throw new IllegalArgumentException(
            "shape[" + i + "] is " + copy[i] + "; 0 or more was expected");
      }
    }
    try {
      // A zero extent must not hide that the others overflow, since strides are computed from them.
      long product = dtype.bytes();
      for (long extent : copy) {
        product = Math.multiplyExact(product, Math.max(extent, 1));
      }
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException(
          "shape " + Arrays.toString(copy) + " of " + dtype + " exceeds 2^63 - 1 bytes", e);
    }
    return copy;
  }

  public static long elements(long[] shape) {
    long elements = 1;
    for (long extent : shape) {
      elements *= extent;
    }
    return elements;
  }

  public static long[] rowMajorStrides(long[] shape) {
    long[] strides = new long[shape.length];
    long stride = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = stride;
      stride *= Math.max(shape[i], 1);
    }
    return strides;
  }

  /** Whether the elements are contiguous in row-major order. */
  public static boolean isCompact(long[] shape, long[] strides) {
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

  /**
   * The strides that view the same elements, in the same order, under another shape; null if there
   * are none. Both shapes have the same number of elements.
   */
  public static long @Nullable [] reshapedStrides(long[] from, long[] strides, long[] to) {
    if (elements(to) == 0) {
      return rowMajorStrides(to);
    }
    long[] result = new long[to.length];
    int old = from.length - 1;
    int last = to.length - 1;
    long stride = 1; // of the next new dimension; an extent of 1 may have any stride
    // From the last dimension on, match the fewest old and new dimensions with the same number of
    // elements.
    while (last >= 0) {
      int first = last;
      long made = to[last];
      long taken = 1;
      long next = 0; // the stride with which an old dimension continues those matched
      while (taken != made) {
        if (taken > made) {
          made *= to[--first];
          continue;
        }
        if (from[old] > 1) {
          if (taken == 1) {
            stride = strides[old];
          } else if (strides[old] != next) {
            return null;
          }
          next = strides[old] * from[old];
          taken *= from[old];
        }
        old--;
      }
      for (int i = last; i >= first; i--) {
        result[i] = stride;
        stride *= to[i];
      }
      last = first - 1;
    }
    return result;
  }

  /**
   * Bytes from the first element to the end of the last, 0 if there are none.
   *
   * @throws IllegalArgumentException if that overflows
   */
  public static long extentBytes(long[] shape, long[] strides, ElementType dtype) {
    if (elements(shape) == 0) {
      return 0;
    }
    try {
      long last = 0;
      for (int i = 0; i < shape.length; i++) {
        last = Math.addExact(last, Math.multiplyExact(shape[i] - 1, strides[i]));
      }
      return Math.multiplyExact(Math.addExact(last, 1), dtype.bytes());
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException(
          "strides "
              + Arrays.toString(strides)
              + " with shape "
              + Arrays.toString(shape)
              + " exceed 2^63 - 1 bytes",
          e);
    }
  }
}
