// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * The tensors that {@link CrossAttention#forwardInto} writes and {@link
 * CrossAttention#backwardInto} reads.
 *
 * @param o shape and dtype of q; 0 where a query sees nothing
 * @param lse {@code [batch, heads, queries]}, float32 (float64 for float64), natural logarithm;
 *     -infinity where a query sees nothing. Or {@code [3, batch, heads, queries]}: the log-sum-exp,
 *     followed by its two terms. These are the largest bias of the keys that the query sees (0
 *     without a bias) and the remainder; backward and merges need them if there is a bias. See
 *     {@link PartialAttention#allocateLogSumExp}
 */
public record AttentionOutputs(Tensor o, Tensor lse) {}
