// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Copies and converts elements between arrays and strided memory. */
public final class Elements {
  private Elements() {}

  /** Visits a row, the elements along the last dimension. */
  private interface Row {
    /**
     * @param offset of the row's first element in the memory, in elements
     * @param index of the same element in logical order
     */
    void at(long offset, long index);
  }

  public static void store(MemorySegment data, Layout layout, float[] source) {
    ElementType dtype = layout.type();
    int length = rowLength(layout.shape());
    long step = rowStep(layout.strides());
    boolean bulk = dtype == ElementType.FLOAT32 && step == 1;
    forEachRow(
        layout.shape(),
        layout.strides(),
        (offset, index) -> {
          if (bulk) {
            MemorySegment.copy(
                source, (int) index, data, ValueLayout.JAVA_FLOAT, offset * Float.BYTES, length);
          } else {
            for (int i = 0; i < length; i++) {
              put(data, dtype, offset + i * step, source[(int) index + i]);
            }
          }
        });
  }

  public static void store(MemorySegment data, Layout layout, double[] source) {
    ElementType dtype = layout.type();
    int length = rowLength(layout.shape());
    long step = rowStep(layout.strides());
    forEachRow(
        layout.shape(),
        layout.strides(),
        (offset, index) -> {
          for (int i = 0; i < length; i++) {
            put(data, dtype, offset + i * step, source[(int) index + i]);
          }
        });
  }

  public static void store(MemorySegment data, Layout layout, int[] source) {
    ElementType dtype = layout.type();
    int length = rowLength(layout.shape());
    long step = rowStep(layout.strides());
    forEachRow(
        layout.shape(),
        layout.strides(),
        (offset, index) -> {
          for (int i = 0; i < length; i++) {
            put(data, dtype, offset + i * step, source[(int) index + i]);
          }
        });
  }

  public static void load(MemorySegment data, Layout layout, float[] target) {
    ElementType dtype = layout.type();
    int length = rowLength(layout.shape());
    long step = rowStep(layout.strides());
    boolean bulk = dtype == ElementType.FLOAT32 && step == 1;
    forEachRow(
        layout.shape(),
        layout.strides(),
        (offset, index) -> {
          if (bulk) {
            MemorySegment.copy(
                data, ValueLayout.JAVA_FLOAT, offset * Float.BYTES, target, (int) index, length);
          } else {
            for (int i = 0; i < length; i++) {
              target[(int) index + i] = (float) get(data, dtype, offset + i * step);
            }
          }
        });
  }

  public static void load(MemorySegment data, Layout layout, double[] target) {
    ElementType dtype = layout.type();
    int length = rowLength(layout.shape());
    long step = rowStep(layout.strides());
    forEachRow(
        layout.shape(),
        layout.strides(),
        (offset, index) -> {
          for (int i = 0; i < length; i++) {
            target[(int) index + i] = get(data, dtype, offset + i * step);
          }
        });
  }

  public static void load(MemorySegment data, Layout layout, int[] target) {
    ElementType dtype = layout.type();
    int length = rowLength(layout.shape());
    long step = rowStep(layout.strides());
    forEachRow(
        layout.shape(),
        layout.strides(),
        (offset, index) -> {
          for (int i = 0; i < length; i++) {
            target[(int) index + i] = (int) get(data, dtype, offset + i * step);
          }
        });
  }

  /** Copies between two tensors of one shape, which may share memory. */
  public static void copy(
      MemorySegment from, Layout fromLayout, MemorySegment to, Layout toLayout) {
    long[] shape = toLayout.shape();
    if (DeviceCopies.overlap(from, fromLayout, to, toLayout)) {
      // float64 holds every element of every dtype exactly.
      double[] values = new double[Math.toIntExact(toLayout.elements())];
      load(from, fromLayout, values);
      store(to, toLayout, values);
      return;
    }
    ElementType fromType = fromLayout.type();
    ElementType toType = toLayout.type();
    long[] fromStrides = fromLayout.strides();
    long[] toStrides = toLayout.strides();
    int rank = shape.length;
    long length = rank == 0 ? 1 : shape[rank - 1];
    long fromStep = rowStep(fromStrides);
    long toStep = rowStep(toStrides);
    boolean bulk = fromType == toType && fromStep == 1 && toStep == 1;
    int bytes = toType.bytes();
    forEachRow(
        shape,
        toStrides,
        (offset, index) -> {
          long source = offsetOf(index, shape, fromStrides);
          if (bulk) {
            MemorySegment.copy(from, source * bytes, to, offset * bytes, length * bytes);
          } else {
            for (long i = 0; i < length; i++) {
              put(to, toType, offset + i * toStep, get(from, fromType, source + i * fromStep));
            }
          }
        });
  }

  private static void forEachRow(long[] shape, long[] strides, Row row) {
    long elements = Shapes.elements(shape);
    int outer = Math.max(shape.length - 1, 0);
    long length = shape.length == 0 ? 1 : shape[outer];
    long[] position = new long[outer];
    long offset = 0;
    for (long index = 0; index < elements; index += length) {
      row.at(offset, index);
      for (int i = outer - 1; i >= 0; i--) {
        offset += strides[i];
        if (++position[i] < shape[i]) {
          break;
        }
        offset -= position[i] * strides[i];
        position[i] = 0;
      }
    }
  }

  private static long offsetOf(long index, long[] shape, long[] strides) {
    long offset = 0;
    for (int i = shape.length - 1; i >= 0; i--) {
      offset += index % shape[i] * strides[i];
      index /= shape[i];
    }
    return offset;
  }

  /** Length of a row of a tensor that fits an array. */
  private static int rowLength(long[] shape) {
    return shape.length == 0 ? 1 : (int) Math.min(shape[shape.length - 1], Integer.MAX_VALUE);
  }

  private static long rowStep(long[] strides) {
    return strides.length == 0 ? 1 : strides[strides.length - 1];
  }

  private static double get(MemorySegment data, ElementType dtype, long element) {
    long offset = element * dtype.bytes();
    return switch (dtype) {
      case FLOAT64 -> data.get(ValueLayout.JAVA_DOUBLE, offset);
      case FLOAT32 -> data.get(ValueLayout.JAVA_FLOAT, offset);
      case BFLOAT16 -> BFloat16.toFloat(data.get(ValueLayout.JAVA_SHORT, offset));
      case FLOAT16 -> Float.float16ToFloat(data.get(ValueLayout.JAVA_SHORT, offset));
      case INT32 -> data.get(ValueLayout.JAVA_INT, offset);
    };
  }

  private static void put(MemorySegment data, ElementType dtype, long element, double value) {
    long offset = element * dtype.bytes();
    switch (dtype) {
      case FLOAT64 -> data.set(ValueLayout.JAVA_DOUBLE, offset, value);
      case FLOAT32 -> data.set(ValueLayout.JAVA_FLOAT, offset, (float) value);
      case BFLOAT16 -> data.set(ValueLayout.JAVA_SHORT, offset, BFloat16.of(sticky(value)));
      case FLOAT16 -> data.set(ValueLayout.JAVA_SHORT, offset, Float.floatToFloat16(sticky(value)));
      case INT32 -> data.set(ValueLayout.JAVA_INT, offset, (int) value);
    }
  }

  /**
   * Rounds to float32 by rounding to odd. Rounding the result to half precision then equals
   * rounding the float64 directly (Boldo and Melquiond, 2008).
   */
  private static float sticky(double value) {
    float nearest = (float) value;
    if (nearest == value || Double.isNaN(value) || (Float.floatToRawIntBits(nearest) & 1) == 1) {
      return nearest;
    }
    return value > nearest ? Math.nextUp(nearest) : Math.nextDown(nearest);
  }
}
