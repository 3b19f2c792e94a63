// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.model.Owl3Batch;
import org.lvxattn.model.Owl3Layer;
import org.lvxattn.model.Owl3Variant;
import org.lvxattn.model.Parameters;
import org.lvxattn.visual.VisualCheckpoint;

/** mPLUG-Owl3, gated; its rows always see only the frames before them. */
final class Owl3Layers implements RankLayers {
  private final Owl3Layer layer;
  private final Owl3Batch batch;

  Owl3Layers(Group group, LayerSizes sizes, BatchPlan plan, Strategy strategy) {
    this.layer = layer(sizes, strategy);
    this.batch =
        Owl3Batch.of(
            group,
            Owl3Variant.GATED,
            plan.images(),
            plan.text(group.rank()).rows(),
            0,
            plan.visual(sizes.family(), group.rank()).rows());
  }

  static Owl3Layer layer(LayerSizes sizes, Strategy strategy) {
    return Owl3Layer.builder()
        .variant(Owl3Variant.GATED)
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
    Owl3Layer.Activations kept = layer.forward(weights, x, visual, batch, null);
    return new Pass(
        kept.output(),
        (dOut, gradients, dx) -> {
          try (Owl3Layer.InputGradients d = layer.backward(kept, dOut, gradients)) {
            dx.copyFrom(d.x());
          }
        },
        kept::close);
  }

  @Override
  public void close() {
    batch.close();
  }
}
