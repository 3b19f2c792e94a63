// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.bindings.generated.Lvx;

/** What moves between the ranks of a group. Every strategy is exact. */
public enum Strategy {
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

  private final int code;

  Strategy(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }

  static Strategy of(int code) {
    for (Strategy strategy : VALUES) {
      if (strategy.code == code) {
        return strategy;
      }
    }
    throw new LvxException(Status.INTERNAL, "the native library ran unknown strategy " + code);
  }
}
