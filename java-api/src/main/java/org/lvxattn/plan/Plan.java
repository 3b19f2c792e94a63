// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.Comparator;
import java.util.List;
import org.lvxattn.Strategy;

/**
 * The cost of every strategy for one problem.
 *
 * @param rows one for each strategy, the fastest first; strategies that cannot serve the problem
 *     come last
 */
public record Plan(List<StrategyPlan> rows) {
  /** The model cannot distinguish times within this factor. */
  private static final double TOLERANCE = 1.01;

  private static final Comparator<StrategyPlan> THRIFT =
      Comparator.comparingLong(StrategyPlan::busiestInterNodeBytes)
          .thenComparingLong(StrategyPlan::busiestBytes)
          .thenComparingLong(StrategyPlan::peakBytes)
          .thenComparingLong(StrategyPlan::busiestMessages)
          .thenComparing(StrategyPlan::strategy);

  /** Sorts the rows. */
  public Plan {
    rows =
        rows.stream()
            .sorted(Comparator.comparingDouble(StrategyPlan::seconds).thenComparing(THRIFT))
            .toList();
  }

  /** The best strategy. */
  public Strategy choice() {
    return best().strategy();
  }

  /**
   * The row of {@link #choice}: of the strategies within 1 % of the fastest, the one that sends
   * least.
   */
  public StrategyPlan best() {
    double limit = rows.getFirst().seconds() * TOLERANCE;
    return rows.stream()
        .filter(row -> row.isSupported() && row.seconds() <= limit)
        .min(THRIFT)
        .orElseThrow();
  }

  /**
   * The row of a strategy.
   *
   * @throws IllegalArgumentException if it was not planned
   */
  public StrategyPlan row(Strategy strategy) {
    for (StrategyPlan row : rows) {
      if (row.strategy() == strategy) {
        return row;
      }
    }
    throw new IllegalArgumentException(
        "strategy is " + strategy + "; a strategy other than AUTO was expected");
  }
}
