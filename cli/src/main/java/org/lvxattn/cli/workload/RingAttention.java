// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import org.lvxattn.DType;

/**
 * What Ring Attention (arXiv 2310.01889) would send, keys and values not expanded to the query
 * heads, everything in the inputs' dtype: the baseline that query-moving schedules are compared
 * with.
 *
 * <p>Forward passes every shard of K and V on from rank to rank, N - 1 times. Backward does so
 * again, and moves each shard's dK and dV as often: from the rank after its home all the way round
 * to it.
 */
public final class RingAttention {
  private RingAttention() {}

  /** Payload bytes that the busiest rank sends in one call of forward, or forward and backward. */
  public static long busiestRankBytes(
      AttentionShape shape, DType dtype, Split keys, boolean backward) {
    long busiest = 0;
    for (int rank = 0; rank < keys.ranks(); rank++) {
      // A shard is not passed on by the last rank that needs it.
      long keyRows = shape.keys() - keys.rows((rank + 1) % keys.ranks());
      long gradientRows = shape.keys() - keys.rows(rank);
      busiest = Math.max(busiest, backward ? 2 * keyRows + gradientRows : keyRows);
    }
    long rowBytes = 2L * shape.batch() * shape.keyWidth() * dtype.bytes();
    return busiest * rowBytes;
  }
}
