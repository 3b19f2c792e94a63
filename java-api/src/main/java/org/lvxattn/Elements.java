// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Moves elements between arrays and strided memory, converting them. */
final class Elements {
  private Elements() {}

  /** Visits a row, the elements along the last dimension. */
  private interface Row {
    /**
     * @param offset of the row's first element in the memory, in elements
     * @param index of the same element in logical order
     */
    void at(long offset, long index);
  }

  static void store(MemorySegment data, DType dtype, long[] shape, long[] strides, float[] source) {
    int length = rowLength(shape);
    long step = rowStep(strides);
    boolean bulk = dtype == DType.FLOAT32 && step == 1;
    forEachRow(
        shape,
        strides,
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

  static void store(
      MemorySegment data, DType dtype, long[] shape, long[] strides, double[] source) {
    int length = rowLength(shape);
    long step = rowStep(strides);
    forEachRow(
        shape,
        strides,
        (offset, index) -> {
          for (int i = 0; i < length; i++) {
            put(data, dtype, offset + i * step, source[(int) index + i]);
          }
        });
  }

  static void store(MemorySegment data, DType dtype, long[] shape, long[] strides, int[] source) {
    int length = rowLength(shape);
    long step = rowStep(strides);
    forEachRow(
        shape,
        strides,
        (offset, index) -> {
          for (int i = 0; i < length; i++) {
            put(data, dtype, offset + i * step, source[(int) index + i]);
          }
        });
  }

  static void load(MemorySegment data, DType dtype, long[] shape, long[] strides, float[] target) {
    int length = rowLength(shape);
    long step = rowStep(strides);
    boolean bulk = dtype == DType.FLOAT32 && step == 1;
    forEachRow(
        shape,
        strides,
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

  static void load(MemorySegment data, DType dtype, long[] shape, long[] strides, double[] target) {
    int length = rowLength(shape);
    long step = rowStep(strides);
    forEachRow(
        shape,
        strides,
        (offset, index) -> {
          for (int i = 0; i < length; i++) {
            target[(int) index + i] = get(data, dtype, offset + i * step);
          }
        });
  }

  static void load(MemorySegment data, DType dtype, long[] shape, long[] strides, int[] target) {
    int length = rowLength(shape);
    long step = rowStep(strides);
    forEachRow(
        shape,
        strides,
        (offset, index) -> {
          for (int i = 0; i < length; i++) {
            target[(int) index + i] = (int) get(data, dtype, offset + i * step);
          }
        });
  }

  /** Copies between two tensors of one shape, which may share memory. */
  static void copy(
      MemorySegment from,
      DType fromType,
      long[] fromStrides,
      MemorySegment to,
      DType toType,
      long[] toStrides,
      long[] shape) {
    if (overlap(from, fromType, fromStrides, to, toType, toStrides, shape)) {
      // float64 holds every element of every dtype exactly.
      double[] values = new double[Math.toIntExact(Shapes.elements(shape))];
      load(from, fromType, shape, fromStrides, values);
      store(to, toType, shape, toStrides, values);
      return;
    }
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

  private static boolean overlap(
      MemorySegment from,
      DType fromType,
      long[] fromStrides,
      MemorySegment to,
      DType toType,
      long[] toStrides,
      long[] shape) {
    long fromEnd = from.address() + Shapes.extentBytes(shape, fromStrides, fromType);
    long toEnd = to.address() + Shapes.extentBytes(shape, toStrides, toType);
    return from.address() < toEnd && to.address() < fromEnd;
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

  /** Of a tensor that fits an array. */
  private static int rowLength(long[] shape) {
    return shape.length == 0 ? 1 : (int) Math.min(shape[shape.length - 1], Integer.MAX_VALUE);
  }

  private static long rowStep(long[] strides) {
    return strides.length == 0 ? 1 : strides[strides.length - 1];
  }

  private static double get(MemorySegment data, DType dtype, long element) {
    long offset = element * dtype.bytes();
    return switch (dtype) {
      case FLOAT64 -> data.get(ValueLayout.JAVA_DOUBLE, offset);
      case FLOAT32 -> data.get(ValueLayout.JAVA_FLOAT, offset);
      case BFLOAT16 -> BFloat16.toFloat(data.get(ValueLayout.JAVA_SHORT, offset));
      case FLOAT16 -> Float.float16ToFloat(data.get(ValueLayout.JAVA_SHORT, offset));
      case INT32 -> data.get(ValueLayout.JAVA_INT, offset);
    };
  }

  private static void put(MemorySegment data, DType dtype, long element, double value) {
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
   * To float32 by rounding to odd, so that rounding once more, to a half precision, gives what
   * rounding the float64 directly would (Boldo and Melquiond, 2008).
   */
  private static float sticky(double value) {
    float nearest = (float) value;
    if (nearest == value || Double.isNaN(value) || (Float.floatToRawIntBits(nearest) & 1) == 1) {
      return nearest;
    }
    return value > nearest ? Math.nextUp(nearest) : Math.nextDown(nearest);
  }
}
