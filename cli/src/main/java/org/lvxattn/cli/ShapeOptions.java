// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import org.jspecify.annotations.Nullable;
import org.lvxattn.cli.workload.Model;
import org.lvxattn.oracle.AttentionShape;
import picocli.CommandLine.Option;

/** The sizes of the attention: a model's, or any. */
final class ShapeOptions {
  @Option(
      names = "--model",
      paramLabel = "NAME",
      converter = Choices.ModelWord.class,
      description = "A published model's cross-attention, one layer (default: llama3v-11b).")
  @Nullable Model model;

  @Option(
      names = "--shape",
      paramLabel = "B,Sq,Skv,Hq,Hkv,D",
      converter = Choices.Shape.class,
      description =
          "Sizes instead of a model: batch, queries, keys, query heads, key heads, head dimension.")
  @Nullable AttentionShape shape;

  @Option(
      names = "--frames",
      paramLabel = "N",
      description = "Video frames: Skv is N times the model's visual tokens per frame.")
  @Nullable Integer frames;

  @Option(names = "--text", paramLabel = "N", description = "Text tokens: Sq.")
  @Nullable Integer text;

  /** Whether no option for sizes was given. */
  boolean isDefault() {
    return model == null && shape == null && frames == null && text == null;
  }

  /** The model's name, or null if sizes were given. */
  @Nullable String modelName() {
    return shape != null ? null : model().modelName();
  }

  /** The sizes, with the given number of text tokens if the command line has none. */
  AttentionShape resolve(int defaultText) {
    if (shape != null) {
      if (model != null || frames != null || text != null) {
        throw new UsageException(
            "--shape sets all sizes; it cannot be combined with --model, --frames or --text");
      }
      return shape;
    }
    int frameCount = frames();
    int textCount = text == null ? defaultText : text;
    if (frameCount < 0 || textCount < 0) {
      throw new UsageException("--frames and --text: expected numbers from 0 on");
    }
    return model().shape(textCount, (long) frameCount * model().tokensPerFrame());
  }

  AttentionShape resolve() {
    return resolve(model().defaultText());
  }

  /** Number of frames of the video. */
  int frames() {
    return frames == null ? model().defaultFrames() : frames;
  }

  /** Number of text tokens. */
  int text() {
    return text == null ? model().defaultText() : text;
  }

  Model model() {
    return model == null ? Model.LLAMA3V_11B : model;
  }
}
