// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.model.LlamaCrossAttentionLayer;
import org.lvxattn.model.Parameters;
import org.lvxattn.model.VisualMask;
import org.lvxattn.visual.VisualCheckpoint;

/** Llama 3-V. */
final class LlamaLayers implements RankLayers {
  private final LlamaCrossAttentionLayer layer;
  private final VisualMask mask;

  LlamaLayers(Group group, LayerSizes sizes, BatchPlan batch, Strategy strategy) {
    this.layer = layer(sizes, strategy);
    this.mask = batch.mask(group.device(), sizes.family(), group.rank());
  }

  static LlamaCrossAttentionLayer layer(LayerSizes sizes, Strategy strategy) {
    return LlamaCrossAttentionLayer.builder()
        .hidden(sizes.hidden())
        .heads(sizes.heads())
        .keyValueHeads(sizes.keyHeads())
        .headDim(sizes.headDim())
        .intermediate(sizes.inner())
        .strategy(strategy)
        .build();
  }

  @Override
  public Pass forward(Parameters weights, Tensor x, VisualCheckpoint visual) {
    LlamaCrossAttentionLayer.Activations kept = layer.forward(weights, x, visual, mask);
    return new Pass(
        kept.output(),
        (dOut, gradients, dx) -> {
          try (Tensor d = layer.backward(kept, dOut, gradients)) {
            dx.copyFrom(d);
          }
        },
        kept::close);
  }

  @Override
  public void close() {
    mask.close();
  }
}
