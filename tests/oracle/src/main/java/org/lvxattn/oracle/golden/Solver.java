// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import org.lvxattn.oracle.Results;

/**
 * Computes the attention of a case: o, dq, dk, dv as [B, H, S, D], lse and delta as [B, H, S], and
 * dbias if the mask has a bias.
 */
interface Solver {
  /** Forward and backward over all keys. */
  Results whole(MaskWay way);

  /** Keys begin to end only: their own forward, and backward with the o and lse of all keys. */
  Results window(MaskWay way, int begin, int end, Results whole);
}
