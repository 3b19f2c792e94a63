// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.List;
import org.lvxattn.bindings.generated.Lvx;

/** Which tensors are sent between the ranks of a group. Every strategy is exact. */
public enum Strategy {
  /**
   * The cheapest of the other strategies for the call's sizes and masks and the group's links; the
   * same on every rank. Each call first exchanges shapes. The first call of each kind also measures
   * the kernels and links of the group, unless the group has a {@linkplain
   * org.lvxattn.group.Group#setPlanner planner}.
   */
  AUTO(0),
  /**
   * Query blocks travel around the ring. Partial results go directly to the block's home rank and
   * are merged there (LV-XAttn, arXiv 2502.02406). For many more keys than queries.
   */
  QUERY_RING(Lvx.LVX_QUERY_RING()),
  /**
   * Query blocks go to all ranks at once, and partial results directly to the home rank. It has the
   * fewest steps: for decoding and very few queries.
   */
  QUERY_GATHER(Lvx.LVX_QUERY_GATHER()),
  /**
   * Keys and values travel around the ring (Ring Attention, arXiv 2310.01889). For more queries
   * than keys.
   */
  KV_RING(Lvx.LVX_KV_RING()),
  /** Keys and values go to all ranks at once, as in Megatron's context parallelism. */
  KV_GATHER(Lvx.LVX_KV_GATHER()),
  /**
   * An all-to-all turns shards of the sequence into shards of the heads, as in DeepSpeed-Ulysses
   * (arXiv 2309.14509): each rank gets all tokens of some heads. Throws an {@link
   * UnsupportedRequestException} if the heads cannot be divided.
   */
  HEAD_ALL_TO_ALL(Lvx.LVX_HEAD_ALL_TO_ALL()),
  /**
   * Each query block enters each node once, and one result leaves it. This minimises traffic
   * between nodes; see {@link org.lvxattn.group.GroupOptions#ranksPerNode}.
   */
  TWO_LEVEL(Lvx.LVX_TWO_LEVEL());

  private static final Strategy[] VALUES = values();
  private static final List<Strategy> SCHEDULES = List.of(VALUES).subList(1, VALUES.length);

  private final int code;

  Strategy(int code) {
    this.code = code;
  }

  /** All strategies but {@link #AUTO}, which stands for one of them. */
  public static List<Strategy> schedules() {
    return SCHEDULES;
  }

  int code() {
    return code;
  }

  /** The strategy of a result. Loops over an array, since a list's iterator would be garbage. */
  static Strategy of(int code) {
    for (Strategy strategy : VALUES) {
      if (strategy.code == code && strategy != AUTO) {
        return strategy;
      }
    }
    throw new LvxException(Status.INTERNAL, "the native library ran unknown strategy " + code);
  }
}
