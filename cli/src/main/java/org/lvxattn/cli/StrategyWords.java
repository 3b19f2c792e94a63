// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import org.lvxattn.Strategy;

/** What moves, in a few words. */
final class StrategyWords {
  private StrategyWords() {}

  static String of(Strategy strategy) {
    return switch (strategy) {
      case QUERY_RING -> "queries go round, keys and values stay";
      case QUERY_GATHER -> "queries go to all ranks at once, keys and values stay";
      case KV_RING -> "keys and values go round, as in Ring Attention";
      case KV_GATHER -> "keys and values go to all ranks at once";
      case HEAD_ALL_TO_ALL -> "heads are exchanged for sequence, as in DeepSpeed-Ulysses";
      case TWO_LEVEL -> "queries enter each node once, keys and values stay";
    };
  }
}
