// SPDX-License-Identifier: Apache-2.0

/**
 * The cross-attention layers of three model families over many ranks, forward, backward and
 * decoding, with parameters by the names of the published checkpoints:
 *
 * <ul>
 *   <li>Llama 3-V: {@link org.lvxattn.model.LlamaCrossAttentionLayer}
 *   <li>OpenFlamingo: {@link org.lvxattn.model.FlamingoBlock} and {@link
 *       org.lvxattn.model.PerceiverResampler}
 *   <li>mPLUG-Owl3: {@link org.lvxattn.model.Owl3Layer}, gated and fused
 * </ul>
 *
 * <p>Each rank holds some rows of the text and some of the visual features, in rank order; shards
 * may be uneven or empty. Text rows are {@code [batch, rows, width]}. Visual features belong to a
 * {@link org.lvxattn.VisualCheckpoint}, which all layers share and which decides what is kept for
 * backward. Parameters are the same on every rank. A rank's weight gradients are its share; {@link
 * org.lvxattn.model.Gradients#allReduce} makes them whole.
 *
 * <p>What a layer keeps for backward is as small as the local text rows.
 */
@NullMarked
package org.lvxattn.model;

import org.jspecify.annotations.NullMarked;
