// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.lvxattn.DType;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Split;

class RingAttentionTest {
  private static final AttentionShape SHAPE = new AttentionShape(2, 5, 12, 6, 3, 16);
  private static final long ROW_PAIR = 2L * 2 * 3 * 16 * Float.BYTES; // of K and V, both items

  @Test
  void evenShardsAreSentOnAllButOnce() {
    Split keys = Split.even(12, 4);
    assertThat(RingAttention.busiestRankBytes(SHAPE, DType.FLOAT32, keys, false))
        .isEqualTo(3 * 3 * ROW_PAIR);
    assertThat(RingAttention.busiestRankBytes(SHAPE, DType.FLOAT32, keys, true))
        .isEqualTo(3 * 3 * 3 * ROW_PAIR);
    assertThat(RingAttention.busiestRankBytes(SHAPE, DType.BFLOAT16, keys, false))
        .isEqualTo(3 * 3 * ROW_PAIR / 2);
  }

  @Test
  void oneRankSendsNothing() {
    assertThat(RingAttention.busiestRankBytes(SHAPE, DType.FLOAT32, Split.even(12, 1), true))
        .isZero();
  }

  @Test
  void theRankBehindTheSmallestShardIsBusiest() {
    AttentionShape shape = new AttentionShape(2, 5, 5, 6, 3, 16);
    // Shards of 2, 2 and 1 rows: rank 1 keeps rank 2's single row to itself.
    assertThat(RingAttention.busiestRankBytes(shape, DType.FLOAT32, Split.even(5, 3), false))
        .isEqualTo(4 * ROW_PAIR);
  }
}
