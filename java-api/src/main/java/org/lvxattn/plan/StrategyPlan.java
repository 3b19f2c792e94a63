// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Strategy;

/**
 * The cost of a strategy.
 *
 * @param strategy the strategy
 * @param obstacle why it cannot serve this problem, or null; if not null, there are no costs
 * @param ranks the cost for each rank
 * @param seconds time until the slowest rank is done; the sum of forward and backward if both are
 *     planned
 * @param exposedSeconds the longest time that a rank waits for transfers
 * @param linkSeconds the longest time that a rank's outgoing link is busy, without latencies
 */
public record StrategyPlan(
    Strategy strategy,
    @Nullable String obstacle,
    List<RankPlan> ranks,
    double seconds,
    double exposedSeconds,
    double linkSeconds) {
  /** Copies the list. */
  public StrategyPlan {
    ranks = List.copyOf(ranks);
  }

  static StrategyPlan unsupported(Strategy strategy, String obstacle) {
    double never = Double.POSITIVE_INFINITY;
    return new StrategyPlan(strategy, obstacle, List.of(), never, never, never);
  }

  /** Whether the strategy can serve the problem. */
  public boolean isSupported() {
    return obstacle == null;
  }

  /** The part of {@link #linkSeconds} that computation hides. */
  public double hiddenSeconds() {
    return Math.max(0, linkSeconds - exposedSeconds);
  }

  /** The most bytes that a rank sends. */
  public long busiestBytes() {
    return ranks.stream().mapToLong(RankPlan::bytes).max().orElse(0);
  }

  /** The most bytes that a rank sends to other nodes. */
  public long busiestInterNodeBytes() {
    return ranks.stream().mapToLong(RankPlan::interNodeBytes).max().orElse(0);
  }

  /** The most messages that a rank sends. */
  public long busiestMessages() {
    return ranks.stream().mapToLong(RankPlan::messages).max().orElse(0);
  }

  /** The most memory that a rank needs; see {@link RankPlan#peakBytes}. */
  public long peakBytes() {
    return ranks.stream().mapToLong(RankPlan::peakBytes).max().orElse(0);
  }

  /** The longest time that a rank computes. */
  public double computeSeconds() {
    return ranks.stream().mapToDouble(RankPlan::computeSeconds).max().orElse(0);
  }

  StrategyPlan plus(StrategyPlan later) {
    List<RankPlan> sums = new ArrayList<>();
    for (int rank = 0; rank < ranks.size(); rank++) {
      sums.add(ranks.get(rank).plus(later.ranks.get(rank)));
    }
    return new StrategyPlan(
        strategy,
        null,
        sums,
        seconds + later.seconds,
        exposedSeconds + later.exposedSeconds,
        linkSeconds + later.linkSeconds);
  }
}
