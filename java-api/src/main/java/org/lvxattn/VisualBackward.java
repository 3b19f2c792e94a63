// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The arguments of a backward call of a {@link VisualCheckpoint}.
 *
 * @param forward what is gone back through
 * @param o final output, which may be that of a larger softmax
 * @param lse log-sum-exp of that
 * @param dO gradient of o
 * @param dq output
 * @param dBias output, or null
 * @param dFeatures added to, or null
 * @param gradients of the parameters, added to
 */
record VisualBackward(
    VisualForward forward,
    Tensor o,
    Tensor lse,
    Tensor dO,
    Tensor dq,
    @Nullable Tensor dBias,
    @Nullable Tensor dFeatures,
    KeyValueProjection.Gradients gradients) {
  VisualBackward {
    Arguments.present(dO, "dO");
    Arguments.present(dq, "dq");
    Arguments.present(gradients, "gradients");
    KeyValueProjection projection = forward.projection();
    requireLike(gradients.weight(), projection.weight(), "weight");
    requireLike(gradients.bias(), projection.bias(), "bias");
    requireLike(gradients.valueWeight(), projection.valueWeight(), "valueWeight");
    requireLike(gradients.valueBias(), projection.valueBias(), "valueBias");
    requireLike(gradients.inputWeight(), projection.inputWeight(), "inputWeight");
    requireLike(gradients.inputBias(), projection.inputBias(), "inputBias");
    requireLike(gradients.keyWeight(), projection.keyWeight(), "keyWeight");
  }

  /** Known before anything is computed, under every policy. */
  private static void requireLike(
      @Nullable Tensor gradient, @Nullable Tensor parameter, String name) {
    if (gradient == null) {
      return;
    }
    Arguments.require(
        parameter != null,
        "gradients." + name + " is " + gradient + "; null was expected: no such parameter");
    Arguments.require(
        parameter == null
            || (gradient.dtype() == parameter.dtype().accumulator()
                && Arrays.equals(gradient.shape(), parameter.shape())),
        "gradients."
            + name
            + " is "
            + gradient
            + "; the shape of the parameter, "
            + parameter
            + ", and its accumulator's dtype were expected");
  }

  KeyValueProjection projection() {
    return forward.projection();
  }
}
