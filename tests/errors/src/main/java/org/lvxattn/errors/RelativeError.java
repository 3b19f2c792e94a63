// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.errors;

/**
 * The error of a result, everywhere in this project: max |x - ref| / max |ref| over the finite
 * entries of a tensor; absolute where max |ref| is below 1e-6; infinities must match in place and
 * sign. NaN, or an infinity where none belongs, is a failure, given as NaN.
 */
public final class RelativeError {
  private static final double ABSOLUTE_BELOW = 1e-6;

  private double largestDifference;
  private double largestReference;
  private boolean failed;

  /** The error of a whole tensor. */
  public static double of(double[] result, double[] reference) {
    if (result.length != reference.length) {
      throw new IllegalArgumentException(
          "a result of " + result.length + " numbers, expected " + reference.length);
    }
    RelativeError error = new RelativeError();
    for (int i = 0; i < result.length; i++) {
      error.add(result[i], reference[i]);
    }
    return error.value();
  }

  /** Takes one entry of the tensor into account. */
  public void add(double result, double reference) {
    if (Double.isFinite(result) && Double.isFinite(reference)) {
      largestDifference = Math.max(largestDifference, Math.abs(result - reference));
      largestReference = Math.max(largestReference, Math.abs(reference));
    } else if (result != reference) { // true for any NaN
      failed = true;
    }
  }

  /** The error of the entries so far; NaN for a failure; 0 for an empty tensor. */
  public double value() {
    if (failed) {
      return Double.NaN;
    }
    return largestReference < ABSOLUTE_BELOW
        ? largestDifference
        : largestDifference / largestReference;
  }

  /** The worse of two errors; a failure is worse than any number. */
  public static double worse(double a, double b) {
    return Math.max(a, b); // NaN if either is
  }
}
