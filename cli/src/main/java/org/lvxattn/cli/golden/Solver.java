// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import org.lvxattn.cli.workload.Results;

/**
 * Something that computes the attention of a case: o, dq, dk, dv as [B, H, S, D], lse and delta as
 * [B, H, S], and dbias where the mask has a bias.
 */
interface Solver {
  /** Forward and backward over all keys. */
  Results whole(MaskWay way);

  /** Keys begin to end alone: their own forward, and backward under the o and lse of the whole. */
  Results window(MaskWay way, int begin, int end, Results whole);
}
