// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import java.util.Arrays;
import java.util.stream.Collectors;
import org.lvxattn.oracle.AttentionShape;

/**
 * The cross-attention of the published models: heads, and visual tokens per frame.
 *
 * <p>Llama 3-V encodes an image as four tiles of 1601 tokens at 560 pixels, mPLUG-Owl3 as 27 x 27
 * patches, OpenFlamingo as the 64 latents of its resampler. With the default lengths, all models
 * have about the same number of keys.
 */
public enum Model {
  LLAMA3V_11B("llama3v-11b", 32, 8, 128, 6404, 1, 128),
  LLAMA3V_90B("llama3v-90b", 64, 8, 128, 6404, 1, 128),
  MPLUG_OWL3_1B("mplug-owl3-1b", 14, 2, 64, 729, 8, 128),
  MPLUG_OWL3_2B("mplug-owl3-2b", 12, 2, 128, 729, 8, 128),
  MPLUG_OWL3_7B("mplug-owl3-7b", 28, 4, 128, 729, 8, 128),
  OPENFLAMINGO_3B("openflamingo-3b", 8, 8, 64, 64, 128, 256),
  OPENFLAMINGO_9B("openflamingo-9b", 8, 8, 64, 64, 128, 256);

  private final String modelName;
  private final int queryHeads;
  private final int keyHeads;
  private final int headDim;
  private final int tokensPerFrame;
  private final int defaultFrames;
  private final int defaultText;

  Model(
      String modelName,
      int queryHeads,
      int keyHeads,
      int headDim,
      int tokensPerFrame,
      int defaultFrames,
      int defaultText) {
    this.modelName = modelName;
    this.queryHeads = queryHeads;
    this.keyHeads = keyHeads;
    this.headDim = headDim;
    this.tokensPerFrame = tokensPerFrame;
    this.defaultFrames = defaultFrames;
    this.defaultText = defaultText;
  }

  /**
   * The model with the given name.
   *
   * @throws IllegalArgumentException that lists the models, if there is none with that name
   */
  public static Model named(String name) {
    for (Model model : values()) {
      if (model.modelName.equals(name)) {
        return model;
      }
    }
    throw new IllegalArgumentException("unknown model '" + name + "', expected one of " + names());
  }

  public static String names() {
    return Arrays.stream(values()).map(Model::modelName).collect(Collectors.joining(", "));
  }

  public String modelName() {
    return modelName;
  }

  public int defaultFrames() {
    return defaultFrames;
  }

  public int defaultText() {
    return defaultText;
  }

  public int tokensPerFrame() {
    return tokensPerFrame;
  }

  /** One layer's attention with the given numbers of queries and keys. */
  public AttentionShape shape(long queries, long keys) {
    return new AttentionShape(1, queries, keys, queryHeads, keyHeads, headDim);
  }
}
