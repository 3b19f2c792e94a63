// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.SequencedMap;
import org.lvxattn.Group;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.VisualCheckpoint;
import org.lvxattn.model.Gradients;
import org.lvxattn.model.Parameters;

/** The layers of one family on one rank, with what they must know of the batch. */
public interface RankLayers extends AutoCloseable {
  /**
   * One layer's work, kept until backward.
   *
   * @param output of the layer; this pass's own
   * @param gradients what backward does
   * @param ending frees what is kept
   */
  record Pass(Tensor output, Backward gradients, Runnable ending) implements AutoCloseable {
    /** Adds the parameters' gradients, and writes that of the input. A collective call. */
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

  /** Layers of those sizes for a rank's part of a batch. A collective call. */
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
