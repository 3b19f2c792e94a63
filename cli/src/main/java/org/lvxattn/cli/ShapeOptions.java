// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import org.jspecify.annotations.Nullable;
import org.lvxattn.cli.workload.AttentionShape;
import org.lvxattn.cli.workload.Model;
import picocli.CommandLine.Option;

/** What is computed: a model's attention, or any sizes. */
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
      description = "Sizes instead of a model: batch, queries, keys, query heads, key heads, head.")
  @Nullable AttentionShape shape;

  @Option(
      names = "--frames",
      paramLabel = "N",
      description = "Video frames: Skv is N times the model's visual tokens per frame.")
  @Nullable Integer frames;

  @Option(names = "--text", paramLabel = "N", description = "Text tokens: Sq.")
  @Nullable Integer text;

  /** Whether nothing was said about sizes. */
  boolean isDefault() {
    return model == null && shape == null && frames == null && text == null;
  }

  /** The model's name, or null if sizes were given. */
  @Nullable String modelName() {
    return shape != null ? null : model().modelName();
  }

  /** The sizes, with that many text tokens where the command line does not say. */
  AttentionShape resolve(int defaultText) {
    if (shape != null) {
      if (model != null || frames != null || text != null) {
        throw new UsageException(
            "--shape says all sizes; --model, --frames, --text do not go with it");
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

  /** Frames of the video. */
  int frames() {
    return frames == null ? model().defaultFrames() : frames;
  }

  /** Text tokens. */
  int text() {
    return text == null ? model().defaultText() : text;
  }

  Model model() {
    return model == null ? Model.LLAMA3V_11B : model;
  }
}
