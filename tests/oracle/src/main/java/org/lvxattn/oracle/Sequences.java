// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import java.util.List;

/** Arrays [blocks, rows, width] that are cut and joined along their rows. */
public final class Sequences {
  private Sequences() {}

  /** Rows begin to end of every block; the width follows from the sizes. */
  public static double[] rows(double[] whole, int blocks, int rows, int begin, int end) {
    int width = blocks * rows == 0 ? 0 : whole.length / (blocks * rows);
    double[] part = new double[blocks * (end - begin) * width];
    for (int block = 0; block < blocks; block++) {
      System.arraycopy(
          whole,
          (block * rows + begin) * width,
          part,
          block * (end - begin) * width,
          (end - begin) * width);
    }
    return part;
  }

  /** Puts the shards of every block one after the other. */
  public static double[] join(List<double[]> shards, int blocks, Split split, int width) {
    int rows = Math.toIntExact(split.end(split.ranks() - 1));
    double[] whole = new double[Math.toIntExact((long) blocks * rows * width)];
    for (int rank = 0; rank < split.ranks(); rank++) {
      int length = Math.toIntExact(split.rows(rank)) * width;
      int offset = Math.toIntExact(split.begin(rank)) * width;
      for (int block = 0; block < blocks; block++) {
        System.arraycopy(
            shards.get(rank), block * length, whole, block * rows * width + offset, length);
      }
    }
    return whole;
  }
}
