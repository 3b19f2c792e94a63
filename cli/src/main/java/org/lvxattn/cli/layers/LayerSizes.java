// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import org.lvxattn.cli.workload.Model;

/**
 * Sizes of a model's cross-attention layers.
 *
 * @param hidden width of the text rows
 * @param inner inner width of the feed-forward
 * @param visualWidth width of the features that keys and values are projected from
 * @param layers number of layers with cross-attention
 */
public record LayerSizes(
    Family family,
    int hidden,
    int heads,
    int keyHeads,
    int headDim,
    int inner,
    int visualWidth,
    int layers) {

  public static LayerSizes of(Model model) {
    return switch (model) {
      case LLAMA3V_11B -> new LayerSizes(Family.LLAMA3V, 4096, 32, 8, 128, 14336, 4096, 8);
      case LLAMA3V_90B -> new LayerSizes(Family.LLAMA3V, 8192, 64, 8, 128, 28672, 8192, 20);
      case MPLUG_OWL3_1B -> new LayerSizes(Family.MPLUG_OWL3, 896, 14, 2, 64, 4864, 896, 4);
      case MPLUG_OWL3_2B -> new LayerSizes(Family.MPLUG_OWL3, 1536, 12, 2, 128, 8960, 1536, 4);
      case MPLUG_OWL3_7B -> new LayerSizes(Family.MPLUG_OWL3, 3584, 28, 4, 128, 18944, 3584, 4);
      case OPENFLAMINGO_3B -> new LayerSizes(Family.OPENFLAMINGO, 2048, 8, 8, 64, 8192, 1024, 24);
      case OPENFLAMINGO_9B -> new LayerSizes(Family.OPENFLAMINGO, 4096, 8, 8, 64, 16384, 1024, 8);
    };
  }

  /** A copy with another number of layers. */
  public LayerSizes withLayers(int count) {
    return new LayerSizes(family, hidden, heads, keyHeads, headDim, inner, visualWidth, count);
  }

  /**
   * Scales all widths and the number of heads by a factor from 0 to 1. headDim and the number of
   * query heads per key head stay.
   */
  public LayerSizes scaled(double factor) {
    int scaledKeyHeads = Math.max(1, (int) Math.round(keyHeads * factor));
    int scaledHeads = scaledKeyHeads * (heads / keyHeads);
    int scaledHidden = multiple(hidden * factor, headDim);
    return new LayerSizes(
        family,
        scaledHidden,
        scaledHeads,
        scaledKeyHeads,
        headDim,
        // A feed-forward of OpenFlamingo is four times as wide as its rows.
        family == Family.OPENFLAMINGO ? 4 * scaledHidden : multiple(inner * factor, headDim),
        visualWidth == hidden ? scaledHidden : multiple(visualWidth * factor, headDim),
        layers);
  }

  private static int multiple(double width, int of) {
    return Math.max(1, (int) Math.round(width / of)) * of;
  }
}
