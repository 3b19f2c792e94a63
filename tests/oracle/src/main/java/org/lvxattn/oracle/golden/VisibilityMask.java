// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.Arrays;

/** Whether a query sees a key: 0 or 1 for [batch, head, query, key], broadcast along sizes of 1. */
final class VisibilityMask {
  private final int[] values;
  private final int[] shape;

  VisibilityMask(int[] values, long[] shape) {
    if (shape.length != 4) {
      throw new GoldenException("mask of shape " + Arrays.toString(shape) + ", expected 4 sizes");
    }
    this.values = values;
    this.shape = Arrays.stream(shape).mapToInt(Math::toIntExact).toArray();
    for (int value : values) {
      if (value != 0 && value != 1) {
        throw new GoldenException("mask holds " + value + ", expected 0 or 1");
      }
    }
  }

  /** Each query sees one range of keys; begins and ends are [batch, queries]. */
  static VisibilityMask ofIntervals(int[] begins, int[] ends, int batch, int queries, int keys) {
    int[] values = new int[batch * queries * keys];
    for (int row = 0; row < batch * queries; row++) {
      if (begins[row] < ends[row]) {
        Arrays.fill(values, row * keys + begins[row], row * keys + ends[row], 1);
      }
    }
    return new VisibilityMask(values, new long[] {batch, 1, queries, keys});
  }

  /** Each batch item's queries see a prefix of the keys. */
  static VisibilityMask ofPrefixes(int[] lengths, int keys) {
    int[] values = new int[lengths.length * keys];
    for (int item = 0; item < lengths.length; item++) {
      Arrays.fill(values, item * keys, item * keys + lengths[item], 1);
    }
    return new VisibilityMask(values, new long[] {lengths.length, 1, 1, keys});
  }

  boolean visible(int item, int head, int query, int key) {
    int index = shape[0] == 1 ? 0 : item;
    index = index * shape[1] + (shape[1] == 1 ? 0 : head);
    index = index * shape[2] + (shape[2] == 1 ? 0 : query);
    index = index * shape[3] + (shape[3] == 1 ? 0 : key);
    return values[index] == 1;
  }

  /** Sizes 1 or full, in the order batch, head, query, key. */
  int size(int dimension) {
    return shape[dimension];
  }

  void checkFits(int... full) {
    for (int i = 0; i < full.length; i++) {
      if (shape[i] != 1 && shape[i] != full[i]) {
        throw new GoldenException(
            "mask of shape "
                + Arrays.toString(shape)
                + ", expected sizes 1 or those of "
                + Arrays.toString(full));
      }
    }
  }

  boolean sameForAllHeads(int batch, int queries, int keys) {
    for (int head = 1; head < shape[1]; head++) {
      if (differsFrom(this, head, batch, queries, keys)) {
        return false;
      }
    }
    return true;
  }

  /** Whether the other mask is the same as this one for every head. */
  boolean sameAs(VisibilityMask other, int heads, int batch, int queries, int keys) {
    for (int head = 0; head < heads; head++) {
      if (differsFrom(other, head, batch, queries, keys)) {
        return false;
      }
    }
    return true;
  }

  private boolean differsFrom(VisibilityMask other, int head, int batch, int queries, int keys) {
    for (int item = 0; item < batch; item++) {
      for (int query = 0; query < queries; query++) {
        for (int key = 0; key < keys; key++) {
          if (visible(item, 0, query, key) != other.visible(item, head, query, key)) {
            return true;
          }
        }
      }
    }
    return false;
  }
}
