// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.lvxattn.Tensor;
import org.lvxattn.model.Gradients;
import org.lvxattn.model.Parameters;
import org.lvxattn.visual.VisualCheckpoint;

/** A sequence of layers over the same visual features. */
public final class LayerStack implements AutoCloseable {
  private final RankLayers layers;
  private final int count;
  private final Deque<RankLayers.Pass> passes = new ArrayDeque<>();

  /**
   * @param layers the layers; the caller owns them
   */
  public LayerStack(RankLayers layers, int count) {
    this.layers = layers;
    this.count = count;
  }

  /** Names and shapes of all layers' parameters. */
  public static SequencedMap<String, long[]> parameterShapes(LayerSizes sizes) {
    SequencedMap<String, long[]> ofOne = RankLayers.parameterShapes(sizes);
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    for (int layer = 0; layer < sizes.layers(); layer++) {
      String prefix = prefix(layer);
      ofOne.forEach((name, shape) -> shapes.put(prefix + name, shape));
    }
    return shapes;
  }

  private static String prefix(int layer) {
    return "layers." + layer + ".";
  }

  /** A parameter's name in its layer. */
  static String withoutLayer(String name) {
    return name.substring(name.indexOf('.', "layers.".length()) + 1);
  }

  /**
   * Computes all layers and keeps what backward needs.
   *
   * @return the output of the last layer, or x itself if there is none; the stack owns it
   */
  public Tensor forward(Parameters weights, Tensor x, VisualCheckpoint visual) {
    Tensor rows = x;
    for (int layer = 0; layer < count; layer++) {
      passes.push(layers.forward(weights.under(prefix(layer)), rows, visual));
      rows = passes.element().output();
    }
    return rows;
  }

  /**
   * Overwrites d, the gradient of the output, with the gradient of the input, and accumulates the
   * parameters' gradients. Frees what a layer kept as soon as the layer is done.
   */
  public void backward(Tensor d, Gradients gradients) {
    while (!passes.isEmpty()) {
      RankLayers.Pass pass = passes.element();
      pass.backward(d, gradients.under(prefix(passes.size() - 1)), d);
      passes.pop().close();
    }
  }

  /** Frees what forward kept and backward has not freed. */
  public void clear() {
    while (!passes.isEmpty()) {
      passes.pop().close();
    }
  }

  @Override
  public void close() {
    clear();
  }
}
