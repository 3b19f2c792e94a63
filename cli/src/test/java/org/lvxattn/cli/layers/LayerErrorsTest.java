// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.lvxattn.oracle.Results;

class LayerErrorsTest {
  private static Results results(double first, double second, double... matrix) {
    Results results = new Results();
    results.put("out", new double[] {2, 4});
    results.put("weight layers.0.gate", new double[] {first});
    results.put("weight layers.11.gate", new double[] {second});
    results.put("weight layers.0.w", matrix);
    return results;
  }

  @Test
  void eachTensorIsMeasuredByItself() {
    Map<String, Double> errors = LayerErrors.of(results(1, 1, 8, 1.5), results(1, 1, 8, 1));
    assertThat(errors)
        .containsEntry("out", 0.0)
        .containsEntry("weight layers.0.w", 0.0625)
        .containsEntry("weight layers.0.gate", 0.0);
  }

  @Test
  void aGateThatCancelsIsMeasuredByTheOtherLayers() {
    Results reference = results(0.001, -4, 1);
    assertThat(LayerErrors.of(results(0.002, -4, 1), reference))
        .containsEntry("weight layers.0.gate", 0.00025);
    assertThat(LayerErrors.of(results(0.001, -6, 1), reference))
        .containsEntry("weight layers.11.gate", 0.5);
    assertThat(LayerErrors.of(results(Double.NaN, -4, 1), reference))
        .containsEntry("weight layers.0.gate", Double.NaN);
  }
}
