// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.List;
import org.lvxattn.bindings.generated.Lvx;

/** What moves between the ranks of a group. Every strategy is exact. */
public enum Strategy {
  /**
   * The cheapest of the others for the sizes, masks and links at hand, the same on every rank. Each
   * call begins with the ranks telling each other their shapes; the first of a kind measures the
   * kernels and links of the group, unless {@link Group#planner} was told of them.
   */
  AUTO(0),
  /**
   * Query blocks go round, partial results go straight home and are merged there (LV-XAttn, arXiv
   * 2502.02406). Right when a rank's keys outnumber its queries by far.
   */
  QUERY_RING(Lvx.LVX_QUERY_RING()),
  /**
   * Query blocks go to all ranks at once, partial results straight home: the fewest steps, for
   * decoding and very few queries.
   */
  QUERY_GATHER(Lvx.LVX_QUERY_GATHER()),
  /**
   * Keys and values go round (Ring Attention, arXiv 2310.01889). Right when queries outnumber keys.
   */
  KV_RING(Lvx.LVX_KV_RING()),
  /** Keys and values go to all ranks at once, as in Megatron's context parallelism. */
  KV_GATHER(Lvx.LVX_KV_GATHER()),
  /**
   * Heads against sequence, as in DeepSpeed-Ulysses (arXiv 2309.14509): each rank gets all tokens
   * of some heads. An {@link UnsupportedRequestException} where the heads do not go round.
   */
  HEAD_ALL_TO_ALL(Lvx.LVX_HEAD_ALL_TO_ALL()),
  /**
   * Query blocks enter each node once and one result leaves it, so that the least travels between
   * nodes; see {@link GroupOptions#ranksPerNode}.
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

  /** That of a result. No list: its iterator is garbage until it is optimised away. */
  static Strategy of(int code) {
    for (Strategy strategy : VALUES) {
      if (strategy.code == code && strategy != AUTO) {
        return strategy;
      }
    }
    throw new LvxException(Status.INTERNAL, "the native library ran unknown strategy " + code);
  }
}
