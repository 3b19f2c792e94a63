// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** The log-sum-exp of a call, with its two terms where there is a bias. */
final class LogSumExp {
  private static final int PARTS = 3; // itself, the largest visible bias of each query, the rest

  private LogSumExp() {}

  /** {@code [batch, heads, queries]}; {@code [3, batch, heads, queries]} where there is a bias. */
  static Tensor allocate(Device device, Tensor q, Mask mask) {
    DType dtype = q.dtype().accumulator();
    long batch = q.dimension(0);
    long queries = q.dimension(1);
    long heads = q.dimension(2);
    return mask.bias() == null
        ? Tensor.allocate(device, dtype, batch, heads, queries)
        : Tensor.allocate(device, dtype, PARTS, batch, heads, queries);
  }

  /** A view of it without its terms. */
  static Tensor alone(Tensor lse) {
    return lse.rank() == PARTS
        ? lse
        : lse.slice(0, 0, 1).reshape(lse.dimension(1), lse.dimension(2), lse.dimension(3));
  }
}
