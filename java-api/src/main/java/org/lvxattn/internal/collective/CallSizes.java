// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.collective;

/**
 * The sizes of one rank's part of an attention call, for events.
 *
 * @param dtype of q
 * @param batch items
 * @param queries of this rank
 * @param keys of this rank
 * @param heads of the queries
 * @param keyValueHeads of the keys and values
 * @param headDim elements of one head
 */
public record CallSizes(
    String dtype, long batch, long queries, long keys, int heads, int keyValueHeads, int headDim) {}
