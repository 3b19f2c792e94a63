// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * What one rank gives to a call of {@link CrossAttention}. Nothing is checked before the call,
 * which tells the peers of what is wrong.
 *
 * @param q {@code [batch, queries, heads, headDim]}
 * @param k {@code [batch, keys, keyValueHeads, headDim]}
 * @param v as k
 * @param mask what the queries see
 */
public record AttentionInputs(Tensor q, Tensor k, Tensor v, Mask mask) {}
