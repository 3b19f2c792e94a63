// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;

/**
 * What {@link CrossAttention#backwardInto} writes.
 *
 * @param dq shape and dtype of q
 * @param dk shape and dtype of k
 * @param dv shape and dtype of v
 * @param dBias null if it is not wanted: shape and dtype of the mask's bias, summed over the
 *     dimensions along which that is broadcast
 */
public record GradientOutputs(Tensor dq, Tensor dk, Tensor dv, @Nullable Tensor dBias) {}
