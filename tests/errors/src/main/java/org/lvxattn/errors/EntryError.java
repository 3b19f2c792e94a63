// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.errors;

/**
 * The error of a result whose entries differ by many orders of magnitude: the largest of {@code |x
 * - ref| / max(1, |ref|)}, entry by entry; infinities must match in place and sign. NaN, or an
 * infinity where none belongs, is a failure, given as NaN.
 */
public final class EntryError {
  private EntryError() {}

  /** The error of a whole tensor; 0 for an empty one. */
  public static double of(double[] result, double[] reference) {
    if (result.length != reference.length) {
      throw new IllegalArgumentException(
          "a result of " + result.length + " numbers, expected " + reference.length);
    }
    double largest = 0;
    for (int i = 0; i < result.length; i++) {
      if (Double.isFinite(result[i]) && Double.isFinite(reference[i])) {
        double error = Math.abs(result[i] - reference[i]) / Math.max(1, Math.abs(reference[i]));
        largest = Math.max(largest, error);
      } else if (result[i] != reference[i]) { // true for any NaN
        return Double.NaN;
      }
    }
    return largest;
  }
}
