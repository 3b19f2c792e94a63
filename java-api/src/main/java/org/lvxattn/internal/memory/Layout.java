// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The layout of a tensor's elements from the first one on: type, extents and strides. */
public final class Layout {
  private final ElementType type;
  private final long[] shape;
  private final long[] strides;
  private final long elements;

  private Layout(ElementType type, long[] shape, long[] strides) {
    this.type = type;
    this.shape = shape;
    this.strides = strides;
    this.elements = Shapes.elements(shape);
  }

  /** A compact row-major layout; checks the shape. */
  public static Layout compact(ElementType type, long[] shape) {
    long[] extents = Shapes.checked(shape, type);
    return new Layout(type, extents, Shapes.rowMajorStrides(extents));
  }

  /** A layout with the caller's strides, or compact row-major if they are null; checks both. */
  public static Layout strided(ElementType type, long[] shape, long @Nullable [] strides) {
    if (strides == null) {
      return compact(type, shape);
    }
    long[] extents = Shapes.checked(shape, type);
    if (strides.length != extents.length) {
      throw new IllegalArgumentException(
          "strides has "
              + strides.length
              + " entries; one for each of the "
              + extents.length
              + " dimensions was expected");
    }
    for (int i = 0; i < strides.length; i++) {
      if (strides[i] < 0) {
        throw new IllegalArgumentException(
            "strides[" + i + "] is " + strides[i] + "; 0 or more was expected");
      }
    }
    return new Layout(type, extents, strides.clone());
  }

  /** Type of the elements. */
  public ElementType type() {
    return type;
  }

  /** The extents, not a copy: do not modify. */
  public long[] shape() {
    return shape;
  }

  /** The strides in elements, not a copy: do not modify. */
  public long[] strides() {
    return strides;
  }

  /** Product of the extents. */
  public long elements() {
    return elements;
  }

  /** Bytes of the elements, without gaps. */
  public long bytes() {
    return elements * type.bytes();
  }

  /** Bytes from the first element to the end of the last. */
  public long extentBytes() {
    return Shapes.extentBytes(shape, strides, type);
  }

  /** Whether the elements are contiguous in row-major order. */
  public boolean isCompact() {
    return Shapes.isCompact(shape, strides);
  }

  /** Whether memory between the first and the last element belongs to something else. */
  public boolean hasGaps() {
    return extentBytes() != bytes();
  }

  /** Checks that there is such a dimension. */
  public int requireDimension(int dimension) {
    if (dimension < 0 || dimension >= shape.length) {
      throw new IllegalArgumentException(
          "dimension is "
              + dimension
              + "; 0 to "
              + (shape.length - 1)
              + " was expected for shape "
              + Arrays.toString(shape));
    }
    return dimension;
  }

  /** The elements {@code from} to {@code to - 1} along a dimension. */
  public Layout slice(int dimension, long from, long to) {
    requireDimension(dimension);
    if (from < 0 || from > to || to > shape[dimension]) {
      throw new IllegalArgumentException(
          "from "
              + from
              + " to "
              + to
              + " is not a range of dimension "
              + dimension
              + "; 0 <= from <= to <= "
              + shape[dimension]
              + " was expected");
    }
    long[] extents = shape.clone();
    extents[dimension] = to - from;
    return new Layout(type, extents, strides);
  }

  /** Bytes from the first element to the first element of a slice. */
  public long sliceOffset(Layout slice, int dimension, long from) {
    // If the slice is empty, its first element may be beyond the end.
    return slice.elements == 0 ? 0 : from * strides[dimension] * type.bytes();
  }

  /** Dimension {@code i} of the result is dimension {@code order[i]} of this. */
  public Layout permute(int[] order) {
    boolean[] seen = new boolean[shape.length];
    boolean valid = order.length == shape.length;
    for (int i = 0; valid && i < order.length; i++) {
      valid = order[i] >= 0 && order[i] < seen.length && !seen[order[i]];
      if (valid) {
        seen[order[i]] = true;
      }
    }
    if (!valid) {
      throw new IllegalArgumentException(
          "order is "
              + Arrays.toString(order)
              + "; each of the dimensions 0 to "
              + (shape.length - 1)
              + " once was expected");
    }
    long[] extents = new long[shape.length];
    long[] distances = new long[shape.length];
    for (int i = 0; i < order.length; i++) {
      extents[i] = shape[order[i]];
      distances[i] = strides[order[i]];
    }
    return new Layout(type, extents, distances);
  }

  /**
   * The same elements in the same row-major order under another shape, if strides can express that.
   */
  public Layout reshape(long[] to) {
    long[] extents = Shapes.checked(to, type);
    if (Shapes.elements(extents) != elements) {
      throw new IllegalArgumentException(
          "shape "
              + Arrays.toString(extents)
              + " has "
              + Shapes.elements(extents)
              + " elements; the "
              + elements
              + " of shape "
              + Arrays.toString(shape)
              + " were expected");
    }
    long[] distances = Shapes.reshapedStrides(shape, strides, extents);
    if (distances == null) {
      throw new IllegalArgumentException(
          "shape "
              + Arrays.toString(extents)
              + " joins dimensions whose strides do not match: strides "
              + Arrays.toString(strides)
              + " of shape "
              + Arrays.toString(shape)
              + "; a shape that keeps them apart was expected, or a compact tensor");
    }
    return new Layout(type, extents, distances);
  }
}
