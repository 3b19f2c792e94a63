// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.Strategy;
import org.lvxattn.errors.RelativeError;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.testing.Seeds;

/**
 * Any number of ranks gives the same float64 results as one rank, including gradients of all
 * weights.
 */
class LayerSplitTest {
  private static final double BOUND = 1e-10;

  @ParameterizedTest
  @EnumSource
  void ranksDoNotMatter(TinyLayer layer) {
    TinyProblem problem = new TinyProblem(layer, 1);
    Map<String, double[]> one =
        problem.solve(TinyProblem.Cut.none(), Strategy.QUERY_RING, RecomputePolicy.KEEP);
    Strategy[] strategies = {
      Strategy.QUERY_RING, Strategy.QUERY_GATHER, Strategy.KV_RING, Strategy.TWO_LEVEL
    };
    Random random = Seeds.random(layer.name().hashCode());
    for (int ranks = 1; ranks <= 5; ranks++) {
      for (RecomputePolicy policy : RecomputePolicy.values()) {
        TinyProblem.Cut cut = TinyProblem.Cut.random(ranks, random);
        Strategy strategy = strategies[random.nextInt(strategies.length)];
        Map<String, double[]> many = problem.solve(cut, strategy, policy);
        assertThat(many.keySet()).isEqualTo(one.keySet());
        String setting = ranks + " ranks, " + policy + ", " + strategy;
        one.forEach(
            (name, values) ->
                assertThat(RelativeError.of(TinyProblem.get(many, name), values))
                    .as("%s by %s", name, setting)
                    .isLessThan(BOUND));
      }
    }
  }
}
