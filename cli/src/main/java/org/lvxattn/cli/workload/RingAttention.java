// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import org.lvxattn.DType;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Split;

/**
 * The bytes that Ring Attention (arXiv 2310.01889) would send, the baseline for schedules that move
 * queries. Keys and values are not expanded to the query heads, and all tensors are in the inputs'
 * dtype.
 *
 * <p>Forward sends every shard of K and V from rank to rank, N - 1 times. Backward does the same,
 * and also sends each shard's dK and dV N - 1 times, from the rank after its home around the ring
 * to its home.
 */
public final class RingAttention {
  private RingAttention() {}

  /** Payload bytes that the busiest rank sends in one call of forward, or forward and backward. */
  public static long busiestRankBytes(
      AttentionShape shape, DType dtype, Split keys, boolean backward) {
    long busiest = 0;
    for (int rank = 0; rank < keys.ranks(); rank++) {
      // The last rank that needs a shard does not send it on.
      long keyRows = shape.keys() - keys.rows((rank + 1) % keys.ranks());
      long gradientRows = shape.keys() - keys.rows(rank);
      busiest = Math.max(busiest, backward ? 2 * keyRows + gradientRows : keyRows);
    }
    long rowBytes = 2L * shape.batch() * shape.keyWidth() * dtype.bytes();
    return busiest * rowBytes;
  }
}
