// SPDX-License-Identifier: Apache-2.0

/**
 * Cross-attention layers of three model families, distributed over ranks: forward, backward and
 * decoding. Parameters have the names of the published checkpoints.
 *
 * <ul>
 *   <li>Llama 3-V: {@link org.lvxattn.model.LlamaCrossAttentionLayer}
 *   <li>OpenFlamingo: {@link org.lvxattn.model.FlamingoBlock} and {@link
 *       org.lvxattn.model.PerceiverResampler}
 *   <li>mPLUG-Owl3: {@link org.lvxattn.model.Owl3Layer}, gated and fused
 * </ul>
 *
 * <p>Each rank holds a shard of the text rows and a shard of the visual features, in rank order;
 * shards may be uneven or empty. Text rows are {@code [batch, rows, width]}. Visual features belong
 * to a {@link org.lvxattn.visual.VisualCheckpoint}, which all layers share and which decides what
 * is kept for backward. Parameters are the same on every rank. A rank's weight gradients cover its
 * own rows; {@link org.lvxattn.model.Gradients#allReduce} sums them over the ranks.
 *
 * <p>The memory that a layer keeps for backward is proportional to the rank's text rows.
 */
@NullMarked
package org.lvxattn.model;

import org.jspecify.annotations.NullMarked;
