// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;

/**
 * The tensors that {@link CrossAttention#backwardInto} writes.
 *
 * @param dq shape and dtype of q
 * @param dk shape and dtype of k
 * @param dv shape and dtype of v
 * @param dBias shape and dtype of the mask's bias; summed over the dimensions along which the bias
 *     is broadcast. Null if it is not wanted
 */
public record GradientOutputs(Tensor dq, Tensor dk, Tensor dv, @Nullable Tensor dBias) {}
