// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.visual.VisualCheckpoint;

/** One small layer of each kind, with rows of every kind that its masks distinguish. */
enum TinyLayer {
  LLAMA_ATTEND_ALL,
  LLAMA_ZERO,
  LLAMA_ATTENTION,
  FLAMINGO_IMMEDIATE,
  FLAMINGO_PREVIOUS,
  PERCEIVER,
  OWL3_GATED,
  OWL3_FUSED;

  static final int BATCH = 2;
  static final int TEXT_ROWS = 7;
  static final int VISUAL_ROWS = 12;
  static final int WIDTH = 16;

  private static final int IMAGES = 3;
  private static final int LATENTS = 4;
  private static final boolean[][] LOCATIONS = {
    {false, true, false, true, false, false, false}, {true, true, false, true, false, true, false}
  };
  private static final Owl3Images OWL3_IMAGES = new Owl3Images(new int[][] {{1, 4}, {5}}, LATENTS);

  int visualBatch() {
    return this == OWL3_GATED || this == OWL3_FUSED ? 1 : BATCH;
  }

  int visualWidth() {
    return this == FLAMINGO_IMMEDIATE || this == FLAMINGO_PREVIOUS ? 8 : WIDTH;
  }

  /** Whether the layer takes text rows; a resampler's latents are parameters. */
  boolean takesText() {
    return this != PERCEIVER;
  }

  Map<String, long[]> shapes() {
    Strategy any = Strategy.QUERY_RING;
    return switch (this) {
      case LLAMA_ATTEND_ALL, LLAMA_ZERO -> llama(any).parameterShapes();
      case LLAMA_ATTENTION -> llamaAttention(any).parameterShapes();
      case FLAMINGO_IMMEDIATE, FLAMINGO_PREVIOUS -> flamingo(any).parameterShapes();
      case PERCEIVER -> perceiver(any).parameterShapes();
      case OWL3_GATED, OWL3_FUSED -> owl3(any).parameterShapes();
    };
  }

  /**
   * Runs forward and, if gradients are given, backward from dOut.
   *
   * @return this rank's rows of the output, out, and of the gradient of x, dx
   */
  Map<String, double[]> run(
      Group group,
      Strategy strategy,
      Parameters weights,
      Tensor x,
      VisualCheckpoint visual,
      RowShard text,
      Tensor dOut,
      @Nullable Gradients gradients) {
    return switch (this) {
      case LLAMA_ATTEND_ALL, LLAMA_ZERO -> {
        LlamaCrossAttentionLayer layer = llama(strategy);
        try (VisualMask mask = llamaMask(group, text);
            LlamaCrossAttentionLayer.Activations activations =
                layer.forward(weights, x, visual, mask);
            Tensor dx = gradients == null ? null : layer.backward(activations, dOut, gradients)) {
          yield outcome(activations.output(), dx);
        }
      }
      case LLAMA_ATTENTION -> {
        LlamaCrossAttention attention = llamaAttention(strategy);
        try (VisualMask mask = llamaMask(group, text);
            LlamaCrossAttention.Activations activations =
                attention.forward(weights, x, visual, mask);
            Tensor dx =
                gradients == null ? null : attention.backward(activations, dOut, gradients)) {
          yield outcome(activations.output(), dx);
        }
      }
      case FLAMINGO_IMMEDIATE, FLAMINGO_PREVIOUS -> {
        FlamingoBlock block = flamingo(strategy);
        FlamingoMasks.Seen seen =
            this == FLAMINGO_IMMEDIATE ? FlamingoMasks.Seen.IMMEDIATE : FlamingoMasks.Seen.PREVIOUS;
        try (VisualMask mask =
                FlamingoMasks.of(group.device(), seen, LOCATIONS, IMAGES, LATENTS, text);
            FlamingoBlock.Activations activations = block.forward(weights, x, visual, mask);
            Tensor dx = gradients == null ? null : block.backward(activations, dOut, gradients)) {
          yield outcome(activations.output(), dx);
        }
      }
      case PERCEIVER -> {
        PerceiverResampler resampler = perceiver(strategy);
        try (PerceiverResampler.Activations activations =
            resampler.forward(weights, visual, text)) {
          if (gradients != null) {
            resampler.backward(activations, dOut, gradients);
          }
          yield outcome(activations.output(), null);
        }
      }
      case OWL3_GATED, OWL3_FUSED -> {
        Owl3Layer layer = owl3(strategy);
        long rows = visual.features().dimension(1);
        try (Owl3Batch batch = Owl3Batch.of(group, variant(), OWL3_IMAGES, text.rows(), 0, rows);
            Owl3Layer.Activations activations = layer.forward(weights, x, visual, batch, null);
            Owl3Layer.InputGradients input =
                gradients == null ? null : layer.backward(activations, dOut, gradients)) {
          yield outcome(activations.output(), input == null ? null : input.x());
        }
      }
    };
  }

  private static Map<String, double[]> outcome(Tensor out, @Nullable Tensor dx) {
    return dx == null
        ? Map.of("out", out.toDoubles())
        : Map.of("out", out.toDoubles(), "dx", dx.toDoubles());
  }

  private VisualMask llamaMask(Group group, RowShard text) {
    EmptyRows emptyRows = this == LLAMA_ZERO ? EmptyRows.ZERO : EmptyRows.ATTEND_ALL;
    boolean[][][][] tiles =
        LlamaMasks.fromImageTokens(
            new int[][] {{1, 4}, {2}}, new int[][] {{2, 1}, {1}}, TEXT_ROWS, 2, 2);
    return LlamaMasks.of(group.device(), tiles, 3, emptyRows, text);
  }

  private static LlamaCrossAttentionLayer llama(Strategy strategy) {
    return LlamaCrossAttentionLayer.builder()
        .hidden(WIDTH)
        .heads(4)
        .keyValueHeads(2)
        .headDim(8)
        .intermediate(12)
        .strategy(strategy)
        .build();
  }

  private static LlamaCrossAttention llamaAttention(Strategy strategy) {
    return LlamaCrossAttention.builder()
        .hidden(WIDTH)
        .heads(4)
        .keyValueHeads(1)
        .headDim(8)
        .strategy(strategy)
        .build();
  }

  private FlamingoBlock flamingo(Strategy strategy) {
    return FlamingoBlock.builder()
        .width(WIDTH)
        .visualWidth(visualWidth())
        .heads(2)
        .headDim(8)
        .feedForwardFactor(2)
        .strategy(strategy)
        .build();
  }

  private static PerceiverResampler perceiver(Strategy strategy) {
    return PerceiverResampler.builder()
        .width(WIDTH)
        .latents(TEXT_ROWS)
        .depth(2)
        .heads(2)
        .headDim(8)
        .feedForwardFactor(2)
        .strategy(strategy)
        .build();
  }

  private Owl3Variant variant() {
    return this == OWL3_GATED ? Owl3Variant.GATED : Owl3Variant.FUSED;
  }

  private Owl3Layer owl3(Strategy strategy) {
    return Owl3Layer.builder()
        .variant(variant())
        .hidden(WIDTH)
        .heads(2)
        .keyValueHeads(1)
        .headDim(8)
        .intermediate(12)
        .theta(100)
        .strategy(strategy)
        .build();
  }
}
