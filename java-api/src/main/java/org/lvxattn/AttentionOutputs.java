// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * What {@link CrossAttention#forwardInto} writes, and {@link CrossAttention#backwardInto} reads.
 *
 * @param o shape and dtype of q; 0 where a query sees nothing
 * @param lse {@code [batch, heads, queries]}, float32 (float64 for float64), natural logarithm;
 *     -infinity where a query sees nothing. Or {@code [3, batch, heads, queries]}: followed by its
 *     two terms, the largest bias of the keys that the query sees (0 without a bias) and the rest,
 *     which backward and merges need if there is a bias. See {@link
 *     PartialAttention#allocateLogSumExp}
 */
public record AttentionOutputs(Tensor o, Tensor lse) {}
