// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.Device;
import org.lvxattn.Strategy;
import org.lvxattn.group.Group;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.testing.Seeds;

/** Gradients of every input and parameter against central differences, in float64. */
class LayerGradientTest {
  private static final double STEP = 1e-5;

  @ParameterizedTest
  @EnumSource
  void equalsDifferences(TinyLayer layer) {
    TinyProblem problem = new TinyProblem(layer, 3);
    TinyProblem.Cut cut = new TinyProblem.Cut(new int[] {0, 3, 7}, new int[] {0, 8, 12});
    Map<String, double[]> gradients =
        problem.solve(cut, Strategy.QUERY_RING, RecomputePolicy.RECOMPUTE_TILED);
    Map<String, double[]> inputs = new LinkedHashMap<>(problem.weights);
    inputs.put("dFeatures", problem.features);
    if (layer.takesText()) {
      inputs.put("dx", problem.x);
    }
    Random random = Seeds.random(4);
    try (Device device = Device.cpu();
        Group alone = Group.self(device)) {
      inputs.forEach(
          (name, values) -> {
            double[] direction =
                random.doubles(values.length).map(value -> 2 * value - 1).toArray();
            double expected = slope(problem, alone, values, direction);
            double[] gradient = TinyProblem.get(gradients, name);
            double found = 0;
            for (int i = 0; i < values.length; i++) {
              found += gradient[i] * direction[i];
            }
            assertThat(found)
                .as(name)
                .isCloseTo(expected, within(1e-7 * Math.max(1, Math.abs(expected))));
          });
    }
  }

  /** How the loss changes along a direction, by differences of fourth order. */
  private static double slope(
      TinyProblem problem, Group alone, double[] values, double[] direction) {
    double[] original = values.clone();
    double[] losses = new double[4];
    int[] steps = {-2, -1, 1, 2};
    for (int i = 0; i < steps.length; i++) {
      int step = steps[i];
      Arrays.setAll(values, at -> original[at] + step * STEP * direction[at]);
      losses[i] = problem.loss(alone);
    }
    System.arraycopy(original, 0, values, 0, values.length);
    return (losses[0] - 8 * losses[1] + 8 * losses[2] - losses[3]) / (12 * STEP);
  }
}
