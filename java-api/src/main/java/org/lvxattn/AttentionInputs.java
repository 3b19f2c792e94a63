// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * The inputs of one rank to a call of {@link CrossAttention}. The call checks them, and reports
 * wrong ones to the peers.
 *
 * @param q {@code [batch, queries, heads, headDim]}
 * @param k {@code [batch, keys, keyValueHeads, headDim]}
 * @param v as k
 * @param mask which keys each query sees, and the bias
 */
public record AttentionInputs(Tensor q, Tensor k, Tensor v, Mask mask) {}
