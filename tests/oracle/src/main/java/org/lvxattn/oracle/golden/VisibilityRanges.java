// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.Arrays;

/** For each batch item and query the ascending, disjoint ranges of keys it sees. */
final class VisibilityRanges {
  private final int batch;
  private final int queries;
  private final int[][] ranges; // [batch * queries]: begin, end, begin, end, ...

  private VisibilityRanges(int batch, int queries, int[][] ranges) {
    this.batch = batch;
    this.queries = queries;
    this.ranges = ranges;
  }

  /** The ranges of a mask that is the same for all heads. */
  static VisibilityRanges of(VisibilityMask mask, int batch, int queries, int keys) {
    int[][] ranges = new int[batch * queries][];
    int[] found = new int[keys + 1];
    for (int row = 0; row < ranges.length; row++) {
      int count = 0;
      boolean inside = false;
      for (int key = 0; key <= keys; key++) {
        boolean visible = key < keys && mask.visible(row / queries, 0, row % queries, key);
        if (visible != inside) {
          found[count++] = key;
          inside = visible;
        }
      }
      ranges[row] = Arrays.copyOf(found, count);
    }
    return new VisibilityRanges(batch, queries, ranges);
  }

  /** The ranges within keys begin to end, counted from begin. */
  VisibilityRanges window(int begin, int end) {
    int[][] clipped = new int[ranges.length][];
    for (int row = 0; row < ranges.length; row++) {
      clipped[row] =
          Arrays.stream(ranges[row]).map(bound -> Math.clamp(bound, begin, end) - begin).toArray();
    }
    return new VisibilityRanges(batch, queries, clipped);
  }

  /** The largest number of ranges of a query, at least 1. */
  int perQuery() {
    return Math.max(1, Arrays.stream(ranges).mapToInt(row -> row.length / 2).max().orElse(0));
  }

  /**
   * [batch, end - begin, perQuery, 2] of queries begin to end; queries with fewer get empty ones.
   */
  int[] toArray(int begin, int end) {
    int width = 2 * perQuery();
    int[] array = new int[batch * (end - begin) * width];
    int at = 0;
    for (int item = 0; item < batch; item++) {
      for (int query = begin; query < end; query++) {
        int[] row = ranges[item * queries + query];
        System.arraycopy(row, 0, array, at, row.length);
        at += width;
      }
    }
    return array;
  }
}
