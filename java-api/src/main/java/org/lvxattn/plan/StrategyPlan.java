// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Strategy;

/**
 * What a strategy costs.
 *
 * @param strategy which one
 * @param obstacle why it cannot serve this problem, or null; without cost then
 * @param ranks what each rank sends
 * @param seconds until the slowest rank is done; forward and then backward where both are planned
 * @param computeSeconds the most that a rank computes
 * @param exposedSeconds the most that a rank waits for transfers
 * @param linkSeconds the most that a link is busy
 * @param peakBytes the most memory that a rank needs beside the caller's tensors and the kernels'
 *     own scratch; the larger of both passes where both are planned
 */
public record StrategyPlan(
    Strategy strategy,
    @Nullable String obstacle,
    List<Traffic> ranks,
    double seconds,
    double computeSeconds,
    double exposedSeconds,
    double linkSeconds,
    long peakBytes) {
  /** Copies the list. */
  public StrategyPlan {
    ranks = List.copyOf(ranks);
  }

  static StrategyPlan unsupported(Strategy strategy, String obstacle) {
    double never = Double.POSITIVE_INFINITY;
    return new StrategyPlan(strategy, obstacle, List.of(), never, never, never, never, 0);
  }

  /** Whether the strategy can serve the problem. */
  public boolean isSupported() {
    return obstacle == null;
  }

  /** The part of {@link #linkSeconds} that computing hides. */
  public double hiddenSeconds() {
    return Math.max(0, linkSeconds - exposedSeconds);
  }

  /** Bytes that the busiest rank sends. */
  public long busiestBytes() {
    return ranks.stream().mapToLong(Traffic::bytes).max().orElse(0);
  }

  /** Bytes that the rank sends that is busiest between nodes. */
  public long busiestInterNodeBytes() {
    return ranks.stream().mapToLong(Traffic::interNodeBytes).max().orElse(0);
  }

  /** Messages that the busiest rank sends. */
  public long busiestMessages() {
    return ranks.stream().mapToLong(Traffic::messages).max().orElse(0);
  }

  StrategyPlan plus(StrategyPlan later) {
    List<Traffic> sums = new java.util.ArrayList<>();
    for (int rank = 0; rank < ranks.size(); rank++) {
      sums.add(ranks.get(rank).plus(later.ranks.get(rank)));
    }
    return new StrategyPlan(
        strategy,
        null,
        sums,
        seconds + later.seconds,
        computeSeconds + later.computeSeconds,
        exposedSeconds + later.exposedSeconds,
        linkSeconds + later.linkSeconds,
        Math.max(peakBytes, later.peakBytes));
  }
}
