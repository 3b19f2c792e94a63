// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.errors.RelativeError;

/** A tensor of all ranks, {@code [items, rows, width]}, as an array of which ranks take rows. */
public final class Whole {
  public final double[] values;

  private final int items;
  private final int rows;
  private final int width;

  public Whole(int items, int rows, int width, double[] values) {
    this.items = items;
    this.rows = rows;
    this.width = width;
    this.values = values;
  }

  public Whole(int items, int rows, int width) {
    this(items, rows, width, new double[items * rows * width]);
  }

  public double[] part(int from, int to) {
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

  public void put(int from, int to, double[] part) {
    for (int item = 0; item < items; item++) {
      System.arraycopy(
          part,
          item * (to - from) * width,
          values,
          (item * rows + from) * width,
          (to - from) * width);
    }
  }

  /** The project's relative error; NaN for a failure. */
  public static double error(double[] x, double[] reference) {
    return RelativeError.of(x, reference);
  }
}
