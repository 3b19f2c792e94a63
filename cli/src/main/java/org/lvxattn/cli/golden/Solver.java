// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

/** Something that computes the attention of a case. */
interface Solver {
  /** Forward and backward over all keys. */
  AttentionResults whole(MaskWay way);

  /** Keys begin to end alone: their own forward, and backward under the o and lse of the whole. */
  AttentionResults window(MaskWay way, int begin, int end, AttentionResults whole);
}
