// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import org.jspecify.annotations.Nullable;
import org.lvxattn.io.Safetensors;
import org.lvxattn.io.StoredTensor;

/**
 * Keys of which many are equal: key j of [batch, heads, keys, width] is row {@code of[j]} of
 * [batch, heads, rows, width]. Gradients are given for one key of each row.
 */
final class RepeatedRows {
  private final int[] of;
  private final int rows;

  private RepeatedRows(int[] of, int rows) {
    this.of = of;
    this.rows = rows;
    for (int row : of) {
      if (row < 0 || row >= rows) {
        throw new GoldenException("kv_rows_of holds " + row + ", expected 0 to " + (rows - 1));
      }
    }
  }

  /** The repeated rows of a file; null if it has every key. */
  static @Nullable RepeatedRows read(Safetensors file, GoldenSpec spec) {
    if (!spec.repeatsKeys()) {
      return null;
    }
    int[] of = StoredNumbers.ints(file.tensor("kv_rows_of"));
    if (of.length != spec.shape().keys()) {
      throw new GoldenException(
          "kv_rows_of holds " + of.length + " numbers, expected " + spec.shape().keys());
    }
    return new RepeatedRows(of, spec.count("distinct_rows"));
  }

  /** Number of distinct rows. */
  int rows() {
    return rows;
  }

  float[] expand(float[] distinct, int blocks, int width) {
    float[] all = new float[Math.multiplyExact(blocks * width, of.length)];
    copy(distinct, all, blocks, width);
    return all;
  }

  double[] expand(StoredTensor tensor, int blocks, int width) {
    double[] distinct = StoredNumbers.doubles(tensor);
    if (distinct.length != blocks * rows * width) {
      throw new GoldenException(
          "tensor " + tensor + ", expected " + rows + " rows of " + width + " numbers");
    }
    double[] all = new double[Math.multiplyExact(blocks * width, of.length)];
    copy(distinct, all, blocks, width);
    return all;
  }

  @SuppressWarnings("SuspiciousSystemArraycopy") // both are float[], or both double[]
  private void copy(Object distinct, Object all, int blocks, int width) {
    int at = 0;
    for (int block = 0; block < blocks; block++) {
      for (int row : of) {
        System.arraycopy(distinct, (block * rows + row) * width, all, at, width);
        at += width;
      }
    }
  }
}
