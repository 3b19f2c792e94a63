// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/** What is kept of a layer's keys and values from forward to backward. */
public enum RecomputePolicy {
  /** All of them, in each layer. */
  KEEP,
  /** Nothing: backward projects the whole shard again and holds it while the layer runs. */
  RECOMPUTE,
  /**
   * Nothing, and at most one tile exists at a time: queries of all ranks are gathered, and each
   * tile of keys and values is projected, used and dropped, in forward and in backward. The
   * attention's {@link org.lvxattn.Strategy} is ignored.
   */
  RECOMPUTE_TILED
}
