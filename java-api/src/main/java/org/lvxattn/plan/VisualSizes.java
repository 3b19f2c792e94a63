// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.lvxattn.DType;
import org.lvxattn.Pass;
import org.lvxattn.internal.Preconditions;

/**
 * Bytes and operations of visual features, and of the keys and values that a layer projects from
 * them. Rows are counted per batch item.
 *
 * @param batch batch items, 0 or more
 * @param width row width of the features
 * @param keyValueHeads key and value heads
 * @param headDim elements of one head
 * @param inputNorm whether the features are normalised before the projection
 * @param keyNorm whether keys are normalised
 * @param dtype of features, keys and values; floating-point
 */
public record VisualSizes(
    int batch,
    int width,
    int keyValueHeads,
    int headDim,
    boolean inputNorm,
    boolean keyNorm,
    DType dtype) {
  /** Number of terms that are summed in float32 alone; longer sums have totals in float64. */
  static final long TERMS_OF_GROUP = 64;

  /** Number of rows whose sum is one term of a parameter's gradient. */
  private static final long ROWS_OF_TERM = 256;

  /**
   * Checks the components.
   *
   * @throws NullPointerException if dtype is null
   * @throws IllegalArgumentException if a component is out of range
   */
  public VisualSizes {
    Preconditions.present(dtype, "dtype");
    Preconditions.require(batch >= 0, "batch", batch, "0 or more");
    Preconditions.require(width >= 1, "width", width, "1 or more");
    Preconditions.require(keyValueHeads >= 1, "keyValueHeads", keyValueHeads, "1 or more");
    Preconditions.require(headDim >= 1, "headDim", headDim, "1 or more");
    Preconditions.require(dtype.isFloating(), "dtype", dtype, "a floating-point dtype");
  }

  /** Bytes of the features. */
  public long featureBytes(long rows) {
    return batch * rows * width * dtype.bytes();
  }

  /** Bytes of the features' gradient, in the accumulator's dtype. */
  public long featureGradientBytes(long rows) {
    return batch * rows * width * dtype.accumulator().bytes();
  }

  /** Bytes of keys, or of values. */
  public long keyBytes(long rows) {
    return batch * rows * keyValueHeads * headDim * dtype.bytes();
  }

  private long keyAccumulatorBytes(long rows) {
    return batch * rows * keyValueHeads * headDim * dtype.accumulator().bytes();
  }

  /**
   * Bytes of a tile with the given number of rows: keys and values, the normalised features if
   * there is a norm, and in backward the gradients of all these in the accumulator's dtype.
   */
  public long tileBytes(long rows, Pass pass) {
    Workspace workspace = new Workspace();
    if (inputNorm) {
      workspace.reserve(featureBytes(rows));
    }
    workspace.reserve(2 * keyBytes(rows));
    if (pass == Pass.FORWARD) {
      return workspace.bytes();
    }
    if (keyNorm) {
      workspace.reserve(keyBytes(rows));
    }
    workspace.reserve(2 * keyAccumulatorBytes(rows));
    if (inputNorm) {
      workspace.reserve(featureGradientBytes(rows));
    }
    return workspace.bytes();
  }

  /**
   * Bytes of the float64 totals that backward needs for the gradients of weights and norms; 0 for
   * few rows.
   */
  long gradientTotalBytes(long rows, long tileRows) {
    long terms =
        rows == 0 ? 0 : Math.ceilDiv(rows, tileRows) * Math.ceilDiv(batch * tileRows, ROWS_OF_TERM);
    if (dtype == DType.FLOAT64 || terms <= TERMS_OF_GROUP) {
      return 0;
    }
    long weight = (long) keyValueHeads * headDim * width;
    Workspace workspace = new Workspace();
    workspace.reserve(weight * DType.FLOAT64.bytes());
    workspace.reserve(weight * DType.FLOAT64.bytes());
    if (inputNorm) {
      workspace.reserve((long) width * DType.FLOAT64.bytes());
    }
    if (keyNorm) {
      workspace.reserve((long) headDim * DType.FLOAT64.bytes());
    }
    return workspace.bytes();
  }

  /**
   * The largest number of rows whose tile needs at most the given bytes in both passes; at least 1.
   */
  public long tileRows(long bytes) {
    long rows = Math.max(1, bytes / Math.max(1, tileBytes(1 << 10, Pass.BACKWARD) >> 10));
    while (rows > 1 && tileBytes(rows, Pass.BACKWARD) > bytes) {
      rows--;
    }
    return rows;
  }

  /**
   * Floating-point operations of projecting the given rows: {@code 4 * width * heads * headDim}
   * each.
   */
  public double projectionFlops(long rows) {
    return 4.0 * batch * rows * width * keyValueHeads * headDim;
  }
}
