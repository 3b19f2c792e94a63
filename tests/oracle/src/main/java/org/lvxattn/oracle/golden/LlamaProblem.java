// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.model.EmptyRows;
import org.lvxattn.model.Gradients;
import org.lvxattn.model.LlamaCrossAttention;
import org.lvxattn.model.LlamaCrossAttentionLayer;
import org.lvxattn.model.LlamaMasks;
import org.lvxattn.model.Parameters;
import org.lvxattn.model.VisualMask;
import org.lvxattn.oracle.Results;
import org.lvxattn.visual.KeyValueCache;
import org.lvxattn.visual.VisualCheckpoint;
import org.lvxattn.visual.VisualForward;

/** Llama 3-V: a whole layer, or its attention alone. */
final class LlamaProblem implements LayerProblem {
  private static final String MASK = "in.cross_attention_mask";

  private final LayerFile file;
  private final boolean attentionAlone;
  private final int batch;
  private final int textRows;
  private final int visualRows;
  private final int hidden;
  private final int heads;
  private final int keyValueHeads;
  private final int headDim;
  private final EmptyRows emptyRows;

  LlamaProblem(LayerFile file) {
    GoldenSpec spec = file.spec();
    this.file = file;
    this.attentionAlone =
        switch (spec.text("module")) {
          case "MllamaTextCrossAttention" -> true;
          case "MllamaCrossAttentionDecoderLayer" -> false;
          default ->
              throw new GoldenException(
                  "module '"
                      + spec.text("module")
                      + "', expected MllamaTextCrossAttention or MllamaCrossAttentionDecoderLayer");
        };
    this.emptyRows = emptyRows(spec.text("empty_row"));
    this.hidden = spec.count("hidden");
    this.heads = spec.count("heads");
    this.keyValueHeads = spec.count("kv_heads");
    this.headDim = spec.count("head_dim");
    int[] x = file.shape("in.hidden_states", 3);
    this.batch = x[0];
    this.textRows = x[1];
    this.visualRows = file.shape("in.cross_attention_states", 3)[1];
    file.requireShape("in.hidden_states", batch, textRows, hidden);
    file.requireShape("in.cross_attention_states", batch, visualRows, hidden);
    file.requireShape("dout", batch, textRows, hidden);
    spec.requireUsualScale(headDim);
    file.requireKnown(
        Set.of("in.hidden_states", "in.cross_attention_states", MASK),
        attentionAlone
            ? attention(Strategy.QUERY_RING).parameterShapes()
            : layer(Strategy.QUERY_RING).parameterShapes());
  }

  private LlamaCrossAttention attention(Strategy strategy) {
    return LlamaCrossAttention.builder()
        .hidden(hidden)
        .heads(heads)
        .keyValueHeads(keyValueHeads)
        .headDim(headDim)
        .epsilon(file.spec().number("rms_norm_eps").doubleValue())
        .strategy(strategy)
        .build();
  }

  private LlamaCrossAttentionLayer layer(Strategy strategy) {
    return LlamaCrossAttentionLayer.builder()
        .hidden(hidden)
        .heads(heads)
        .keyValueHeads(keyValueHeads)
        .headDim(headDim)
        .intermediate(file.spec().count("intermediate"))
        .epsilon(file.spec().number("rms_norm_eps").doubleValue())
        .strategy(strategy)
        .build();
  }

  @Override
  public Rows rows() {
    return new Rows(textRows, visualRows, 0);
  }

  @Override
  public Map<String, RowLayout> layouts(Cut cut) {
    Map<String, RowLayout> layouts = new LinkedHashMap<>();
    layouts.put("out", new RowLayout(batch, cut.text(), hidden));
    layouts.put(DECODED, new RowLayout(batch, cut.text(), hidden));
    layouts.put("grad.in.hidden_states", new RowLayout(batch, cut.text(), hidden));
    layouts.put("grad.in.cross_attention_states", new RowLayout(batch, cut.visual(), hidden));
    layouts.put("mid.q", new RowLayout(batch * heads, cut.text(), headDim));
    layouts.put("mid.k", new RowLayout(batch * keyValueHeads, cut.visual(), headDim));
    layouts.put("mid.v", new RowLayout(batch * keyValueHeads, cut.visual(), headDim));
    layouts.put("mid.o", new RowLayout(batch * heads, cut.text(), headDim));
    layouts.put("mid.lse", new RowLayout(batch * heads, cut.text(), 1));
    return layouts;
  }

  @Override
  public Results run(Group group, Cut cut, Way way) {
    try (LayerRank rank = new LayerRank(file, group, cut, way)) {
      VisualMask mask = mask(rank);
      Parameters weights = rank.weights();
      Gradients gradients = rank.gradients();
      Tensor x = rank.text("in.hidden_states", batch, hidden);
      Tensor dOut = rank.text("dout", batch, hidden);
      VisualCheckpoint visual = rank.visual("in.cross_attention_states", batch, hidden);
      if (attentionAlone) {
        runAttention(rank, way, weights, gradients, x, dOut, visual, mask);
      } else {
        runLayer(rank, way, weights, gradients, x, dOut, visual, mask);
      }
      rank.put("grad.in.cross_attention_states", visual.featuresGradient());
      rank.put(gradients);
      return rank.results();
    }
  }

  private void runAttention(
      LayerRank rank,
      Way way,
      Parameters weights,
      Gradients gradients,
      Tensor x,
      Tensor dOut,
      VisualCheckpoint visual,
      VisualMask mask) {
    LlamaCrossAttention attention = attention(way.strategy());
    try (LlamaCrossAttention.Activations activations = attention.forward(weights, x, visual, mask);
        Tensor dx = attention.backward(activations, dOut, gradients)) {
      rank.put("out", activations.output());
      rank.put("grad.in.hidden_states", dx);
      putInner(rank, activations.query(), activations.attention());
      putKeys(rank, visual, attention.projection(weights)).close();
    }
  }

  private void runLayer(
      LayerRank rank,
      Way way,
      Parameters weights,
      Gradients gradients,
      Tensor x,
      Tensor dOut,
      VisualCheckpoint visual,
      VisualMask mask) {
    LlamaCrossAttentionLayer layer = layer(way.strategy());
    try (LlamaCrossAttentionLayer.Activations activations =
            layer.forward(weights, x, visual, mask);
        Tensor dx = layer.backward(activations, dOut, gradients);
        KeyValueCache cache = putKeys(rank, visual, layer.projection(weights));
        Tensor decoded = layer.decode(rank.group(), weights, x, cache, mask)) {
      rank.put("out", activations.output());
      rank.put(DECODED, decoded);
      rank.put("grad.in.hidden_states", dx);
      putInner(rank, activations.query(), activations.attention());
    }
  }

  private static void putInner(LayerRank rank, Tensor query, VisualForward attention) {
    rank.putHeads("mid.q", query);
    rank.putHeads("mid.o", attention.output());
    rank.put("mid.lse", attention.logSumExp());
  }

  private static KeyValueCache putKeys(
      LayerRank rank, VisualCheckpoint visual, KeyValueProjection projection) {
    KeyValueCache cache = visual.project(projection);
    rank.putHeads("mid.k", cache.key());
    rank.putHeads("mid.v", cache.value());
    return cache;
  }

  private VisualMask mask(LayerRank rank) {
    if (!file.has(MASK)) {
      return VisualMask.none();
    }
    int images = file.spec().count("images");
    int tiles = file.spec().count("tiles");
    file.requireShape(MASK, batch, textRows, images, tiles);
    boolean[][][][] seen = new boolean[batch][textRows][images][tiles];
    int[] values = file.ints(MASK);
    for (int i = 0; i < values.length; i++) {
      int image = i / tiles;
      int row = image / images;
      seen[row / textRows][row % textRows][image % images][i % tiles] = values[i] != 0;
    }
    int tokens = file.spec().count("tokens_per_tile");
    VisualMask mask =
        LlamaMasks.of(rank.group().device(), seen, tokens, emptyRows, rank.textRows());
    rank.atEnd(mask::close);
    return mask;
  }

  private static EmptyRows emptyRows(String said) {
    if (said.startsWith("transformers semantics")) {
      return EmptyRows.ATTEND_ALL;
    }
    if (said.startsWith("Meta semantics")) {
      return EmptyRows.ZERO;
    }
    throw new GoldenException(
        "empty_row '" + said + "', expected transformers semantics or Meta semantics");
  }

  @Override
  public Results named(Results whole) {
    return whole;
  }

  @Override
  public boolean hides(String name) {
    return false;
  }
}
