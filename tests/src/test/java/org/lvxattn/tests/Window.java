// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import java.lang.reflect.Array;

/** The rows {@code from} to {@code to - 1} of arrays that hold {@code [any, rows, width]}. */
record Window(int rows, int from, int to) {
  /** The window of one rank, given how many rows each rank has. */
  static Window of(int[] sizes, int rank) {
    int from = sum(sizes, rank);
    return new Window(sum(sizes, sizes.length), from, from + sizes[rank]);
  }

  static int sum(int[] sizes, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) {
      sum += sizes[i];
    }
    return sum;
  }

  double[] cut(double[] whole, int width) {
    double[] part = new double[outer(whole, width) * (to - from) * width];
    copy(whole, width, part, true);
    return part;
  }

  int[] cut(int[] whole, int width) {
    int[] part = new int[outer(whole, width) * (to - from) * width];
    copy(whole, width, part, true);
    return part;
  }

  void paste(double[] part, double[] whole, int width) {
    copy(whole, width, part, false);
  }

  private int outer(Object whole, int width) {
    return rows == 0 ? 0 : Array.getLength(whole) / (rows * width);
  }

  private void copy(Object whole, int width, Object part, boolean out) {
    int length = (to - from) * width;
    for (int i = 0; i < outer(whole, width); i++) {
      int inWhole = (i * rows + from) * width;
      if (out) {
        System.arraycopy(whole, inWhole, part, i * length, length);
      } else {
        System.arraycopy(part, i * length, whole, inWhole, length);
      }
    }
  }
}
