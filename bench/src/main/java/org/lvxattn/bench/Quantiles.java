// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench;

import java.util.Arrays;

/** Quantiles of a few numbers, with linear interpolation. */
public final class Quantiles {
  private Quantiles() {}

  public static double median(double... values) {
    return of(0.5, values);
  }

  /** The quantile of the given share, from 0 to 1. */
  public static double of(double share, double... values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    double place = share * (sorted.length - 1);
    int below = (int) place;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  }
}
