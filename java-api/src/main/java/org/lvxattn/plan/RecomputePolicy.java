// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/** What is kept of a layer's keys and values from forward to backward. */
public enum RecomputePolicy {
  /** All of them, in each layer. */
  KEEP,
  /** None: backward projects the whole shard again, and holds it while the layer runs. */
  RECOMPUTE,
  /**
   * None, and never more than a tile: all queries are gathered, and one tile of keys and values
   * after the other is projected, used and dropped, in forward and in backward. The attention's
   * {@link org.lvxattn.Strategy} does not matter.
   */
  RECOMPUTE_TILED
}
