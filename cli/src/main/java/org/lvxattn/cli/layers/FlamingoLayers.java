// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.model.FlamingoBlock;
import org.lvxattn.model.Parameters;
import org.lvxattn.model.VisualMask;
import org.lvxattn.visual.VisualCheckpoint;

/** OpenFlamingo's gated blocks; the features are outputs of the resampler. */
final class FlamingoLayers implements RankLayers {
  private final FlamingoBlock block;
  private final VisualMask mask;

  FlamingoLayers(Group group, LayerSizes sizes, BatchPlan batch, Strategy strategy) {
    this.block = block(sizes, strategy);
    this.mask = batch.mask(group.device(), sizes.family(), group.rank());
  }

  static FlamingoBlock block(LayerSizes sizes, Strategy strategy) {
    return FlamingoBlock.builder()
        .width(sizes.hidden())
        .visualWidth(sizes.visualWidth())
        .heads(sizes.heads())
        .headDim(sizes.headDim())
        .feedForwardFactor(sizes.inner() / sizes.hidden())
        .strategy(strategy)
        .build();
  }

  @Override
  public Pass forward(Parameters weights, Tensor x, VisualCheckpoint visual) {
    FlamingoBlock.Activations kept = block.forward(weights, x, visual, mask);
    return new Pass(
        kept.output(),
        (dOut, gradients, dx) -> {
          try (Tensor d = block.backward(kept, dOut, gradients)) {
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
