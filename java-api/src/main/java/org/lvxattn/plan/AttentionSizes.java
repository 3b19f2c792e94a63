// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.lvxattn.DType;
import org.lvxattn.Pass;
import org.lvxattn.internal.Preconditions;

/**
 * The sizes that all ranks of a call have in common.
 *
 * @param batch batch items, 0 or more
 * @param heads query heads, a multiple of keyValueHeads
 * @param keyValueHeads key and value heads, at least 1
 * @param headDim elements of one head, a multiple of 8 from 8 to 256
 * @param dtype of q, k, v and o; floating-point
 */
public record AttentionSizes(int batch, int heads, int keyValueHeads, int headDim, DType dtype) {
  /** Backward has five matrix products where forward has two. */
  private static final double BACKWARD_PER_FORWARD = 2.5;

  /**
   * Checks the components.
   *
   * @throws NullPointerException if dtype is null
   * @throws IllegalArgumentException if a component is out of range
   */
  public AttentionSizes {
    Preconditions.present(dtype, "dtype");
    Preconditions.require(batch >= 0, "batch", batch, "0 or more");
    Preconditions.require(keyValueHeads >= 1, "keyValueHeads", keyValueHeads, "1 or more");
    Preconditions.require(
        heads >= 1 && heads % keyValueHeads == 0,
        "heads",
        heads,
        "a multiple of the " + keyValueHeads + " key heads");
    Preconditions.require(
        headDim >= 8 && headDim <= 256 && headDim % 8 == 0,
        "headDim",
        headDim,
        "a multiple of 8 from 8 to 256");
    Preconditions.require(dtype.isFloating(), "dtype", dtype, "a floating-point dtype");
  }

  /**
   * Floating-point operations (multiplications and additions) for a number of visible query-key
   * pairs. Pairs are counted over batch items but not over heads. A pair costs {@code 4 * heads *
   * headDim} in forward, and 2.5 times that in backward.
   */
  public double flops(double pairs, Pass pass) {
    double forward = 4.0 * heads * headDim * pairs;
    return switch (pass) {
      case FORWARD -> forward;
      case BACKWARD -> BACKWARD_PER_FORWARD * forward;
      case BOTH -> (1 + BACKWARD_PER_FORWARD) * forward;
    };
  }

  /** Elements of q, o or their gradients. */
  long queryElements(long queries) {
    return batch * queries * heads * headDim;
  }

  /** Elements of k, v or their gradients. */
  long keyElements(long keys) {
    return batch * keys * keyValueHeads * headDim;
  }

  /** Elements of lse or delta. */
  long rows(long queries) {
    return batch * queries * heads;
  }

  int elementBytes() {
    return dtype.bytes();
  }

  int accumulatorBytes() {
    return dtype.accumulator().bytes();
  }
}
