// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.Strategy;
import org.lvxattn.VisualCheckpoint.Policy;

/** Any number of ranks gives what one gives, gradients of all weights included, in float64. */
class LayerSplitTest {
  private static final double BOUND = 1e-10;

  @ParameterizedTest
  @EnumSource
  void ranksDoNotMatter(TinyLayer layer) {
    TinyProblem problem = new TinyProblem(layer, 1);
    Map<String, double[]> one =
        problem.solve(TinyProblem.Cut.none(), Strategy.QUERY_RING, Policy.KEEP);
    Strategy[] strategies = {
      Strategy.QUERY_RING, Strategy.QUERY_GATHER, Strategy.KV_RING, Strategy.TWO_LEVEL
    };
    Random random = new Random(layer.name().hashCode());
    for (int ranks = 1; ranks <= 5; ranks++) {
      for (Policy policy : Policy.values()) {
        TinyProblem.Cut cut = TinyProblem.Cut.random(ranks, random);
        Strategy strategy = strategies[random.nextInt(strategies.length)];
        Map<String, double[]> many = problem.solve(cut, strategy, policy);
        assertThat(many.keySet()).isEqualTo(one.keySet());
        String setting = ranks + " ranks, " + policy + ", " + strategy;
        one.forEach(
            (name, values) ->
                assertThat(error(TinyProblem.get(many, name), values))
                    .as("%s by %s", name, setting)
                    .isLessThan(BOUND));
      }
    }
  }

  private static double error(double[] values, double[] reference) {
    assertThat(values).hasSameSizeAs(reference);
    double difference = 0;
    double largest = 1e-6;
    for (int i = 0; i < values.length; i++) {
      assertThat(values[i]).isFinite();
      difference = Math.max(difference, Math.abs(values[i] - reference[i]));
      largest = Math.max(largest, Math.abs(reference[i]));
    }
    return difference / largest;
  }
}
