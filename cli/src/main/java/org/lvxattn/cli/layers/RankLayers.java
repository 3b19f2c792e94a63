// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.SequencedMap;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.model.Gradients;
import org.lvxattn.model.Parameters;
import org.lvxattn.visual.VisualCheckpoint;

/** The layers of one family on one rank, with their masks of the batch. */
public interface RankLayers extends AutoCloseable {
  /**
   * One layer's forward result, kept until backward.
   *
   * @param output of the layer; owned by this pass
   * @param gradients computes backward
   * @param ending frees what the layer keeps
   */
  record Pass(Tensor output, Backward gradients, Runnable ending) implements AutoCloseable {
    /** Accumulates the parameters' gradients and writes the input's gradient. A collective call. */
    void backward(Tensor dOut, Gradients sums, Tensor dx) {
      gradients.run(dOut, sums, dx);
    }

    @Override
    public void close() {
      ending.run();
    }
  }

  /** As {@link Pass#backward}. */
  @FunctionalInterface
  interface Backward {
    void run(Tensor dOut, Gradients gradients, Tensor dx);
  }

  /** Creates layers of the given sizes for a rank's part of a batch. A collective call. */
  static RankLayers open(Group group, LayerSizes sizes, BatchPlan batch, Strategy strategy) {
    return switch (sizes.family()) {
      case LLAMA3V -> new LlamaLayers(group, sizes, batch, strategy);
      case OPENFLAMINGO -> new FlamingoLayers(group, sizes, batch, strategy);
      case MPLUG_OWL3 -> new Owl3Layers(group, sizes, batch, strategy);
    };
  }

  /** Names and shapes of one layer's parameters. */
  static SequencedMap<String, long[]> parameterShapes(LayerSizes sizes) {
    return switch (sizes.family()) {
      case LLAMA3V -> LlamaLayers.layer(sizes, Strategy.QUERY_RING).parameterShapes();
      case OPENFLAMINGO -> FlamingoLayers.block(sizes, Strategy.QUERY_RING).parameterShapes();
      case MPLUG_OWL3 -> Owl3Layers.layer(sizes, Strategy.QUERY_RING).parameterShapes();
    };
  }

  /** Computes one layer. A collective call. */
  Pass forward(Parameters weights, Tensor x, VisualCheckpoint visual);

  @Override
  void close();
}
