// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.lvxattn.Tensor;
import org.lvxattn.model.Parameters;

/** Random initial parameters, the same on every rank. */
public final class Initial {
  private static final int PIECE = 1 << 16;

  private Initial() {}

  /**
   * Fills parameters by their names and shapes. Weights of linear maps keep the scale of their
   * input. Weights of norms are 1, gates are 1 (at least half open), and biases are 0.
   */
  public static void fill(Parameters parameters, long seed) {
    parameters.tensors().forEach((name, tensor) -> fill(name, tensor, seed));
  }

  private static void fill(String name, Tensor tensor, long seed) {
    if (tensor.rank() == 2) {
      uniform(tensor, new SplittableRandom(seed ^ name.hashCode()));
    } else if (name.endsWith(".weight") || name.endsWith("gate")) {
      double[] ones = new double[(int) tensor.elements()];
      Arrays.fill(ones, 1);
      tensor.copyFrom(ones);
    }
  }

  /** Variance 1 / (number of inputs). */
  private static void uniform(Tensor weight, SplittableRandom random) {
    int inputs = (int) weight.dimension(1);
    double limit = Math.sqrt(3.0 / inputs);
    int rows = Math.max(1, PIECE / inputs);
    for (long begin = 0; begin < weight.dimension(0); begin += rows) {
      Tensor piece = weight.slice(0, begin, Math.min(begin + rows, weight.dimension(0)));
      double[] values = new double[(int) piece.elements()];
      Arrays.setAll(values, i -> random.nextDouble(-limit, limit));
      piece.copyFrom(values);
    }
  }
}
