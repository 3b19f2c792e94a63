// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.layer.KeyValueGradients;
import org.lvxattn.layer.KeyValueProjection;

/**
 * The arguments of a backward call of a {@link VisualCheckpoint}.
 *
 * @param forward the forward result
 * @param o final output, possibly of a softmax over more keys
 * @param lse log-sum-exp of o
 * @param dO gradient of o
 * @param dq output
 * @param dBias output, or null
 * @param dFeatures accumulated, or null
 * @param gradients of the parameters, accumulated
 */
record VisualBackward(
    VisualForward forward,
    Tensor o,
    Tensor lse,
    Tensor dO,
    Tensor dq,
    @Nullable Tensor dBias,
    @Nullable Tensor dFeatures,
    KeyValueGradients gradients) {
  VisualBackward {
    Preconditions.present(dO, "dO");
    Preconditions.present(dq, "dq");
    Preconditions.present(gradients, "gradients");
    KeyValueProjection projection = forward.projection();
    requireLike(gradients.weight(), projection.weight(), "weight");
    requireLike(gradients.bias(), projection.bias(), "bias");
    requireLike(gradients.valueWeight(), projection.valueWeight(), "valueWeight");
    requireLike(gradients.valueBias(), projection.valueBias(), "valueBias");
    requireLike(gradients.inputWeight(), projection.inputWeight(), "inputWeight");
    requireLike(gradients.inputBias(), projection.inputBias(), "inputBias");
    requireLike(gradients.keyWeight(), projection.keyWeight(), "keyWeight");
  }

  /** Checked before anything is computed, under every policy. */
  private static void requireLike(
      @Nullable Tensor gradient, @Nullable Tensor parameter, String name) {
    if (gradient == null) {
      return;
    }
    Preconditions.require(
        parameter != null,
        "gradients." + name + " is " + gradient + "; null was expected: no such parameter");
    Preconditions.require(
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
