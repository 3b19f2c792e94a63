// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.testing.Seeds;

/** Layers in narrower dtypes, over ranks, against float64 on the same numbers. */
class LayerPrecisionTest {
  @ParameterizedTest
  @EnumSource
  void roundingStaysSmall(TinyLayer layer) {
    TinyProblem problem = new TinyProblem(layer, 8);
    Map<String, double[]> exact =
        problem.solve(TinyProblem.Cut.none(), Strategy.QUERY_RING, RecomputePolicy.KEEP);
    Map<DType, Double> bounds =
        Map.of(DType.FLOAT32, 5e-6, DType.FLOAT16, 2e-3, DType.BFLOAT16, 1.6e-2);
    bounds.forEach(
        (dtype, bound) -> {
          for (RecomputePolicy policy : RecomputePolicy.values()) {
            TinyProblem.Cut cut = TinyProblem.Cut.random(2, Seeds.random(9));
            Map<String, double[]> rounded = problem.solve(cut, Strategy.QUERY_RING, policy, dtype);
            exact.forEach(
                (name, values) ->
                    assertThat(error(TinyProblem.get(rounded, name), values, dtype))
                        .as("%s in %s by %s", name, dtype, policy)
                        .isLessThan(bound));
          }
        });
  }

  /**
   * Relative to the largest entry; absolute below 1, as sums of numbers of order 1 may cancel. The
   * gradient of a gate is a single number that sums over the width of the rows, too. Its rounding
   * errors grow with the square root of the width, for which bfloat16's bound has no room.
   */
  private static double error(double[] values, double[] reference, DType dtype) {
    assertThat(values).hasSameSizeAs(reference);
    boolean gate = reference.length == 1 && dtype == DType.BFLOAT16;
    double difference = 0;
    double largest = gate ? Math.sqrt(TinyLayer.WIDTH) : 1;
    for (int i = 0; i < values.length; i++) {
      assertThat(values[i]).isFinite();
      difference = Math.max(difference, Math.abs(values[i] - reference[i]));
      largest = Math.max(largest, Math.abs(reference[i]));
    }
    return difference / largest;
  }
}
