// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** A tensor of all ranks, {@code [items, rows, width]}, as one array that ranks take rows of. */
final class Whole {
  final double[] values;

  private final int items;
  private final int rows;
  private final int width;

  Whole(int items, int rows, int width, double[] values) {
    this.items = items;
    this.rows = rows;
    this.width = width;
    this.values = values;
  }

  Whole(int items, int rows, int width) {
    this(items, rows, width, new double[items * rows * width]);
  }

  double[] part(int from, int to) {
    double[] part = new double[items * (to - from) * width];
    for (int item = 0; item < items; item++) {
      System.arraycopy(
          values,
          (item * rows + from) * width,
          part,
          item * (to - from) * width,
          (to - from) * width);
    }
    return part;
  }

  void put(int from, int to, double[] part) {
    for (int item = 0; item < items; item++) {
      System.arraycopy(
          part,
          item * (to - from) * width,
          values,
          (item * rows + from) * width,
          (to - from) * width);
    }
  }

  /** The error of the numeric contract: absolute where the reference is small. */
  static double error(double[] x, double[] reference) {
    double difference = 0;
    double magnitude = 0;
    for (int i = 0; i < reference.length; i++) {
      if (Double.isInfinite(reference[i]) && x[i] == reference[i]) {
        continue;
      }
      if (!Double.isFinite(reference[i]) || !Double.isFinite(x[i])) {
        return Double.POSITIVE_INFINITY;
      }
      difference = Math.max(difference, Math.abs(x[i] - reference[i]));
      magnitude = Math.max(magnitude, Math.abs(reference[i]));
    }
    return magnitude < 1e-6 ? difference : difference / magnitude;
  }
}
