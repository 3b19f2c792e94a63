// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.model.Gradients;
import org.lvxattn.model.Owl3Batch;
import org.lvxattn.model.Owl3Images;
import org.lvxattn.model.Owl3Layer;
import org.lvxattn.model.Owl3Variant;
import org.lvxattn.model.Parameters;
import org.lvxattn.model.TextCache;
import org.lvxattn.oracle.Results;
import org.lvxattn.visual.KeyValueCache;
import org.lvxattn.visual.VisualCheckpoint;

/** A layer of mPLUG-Owl3 with hyper attention. */
final class Owl3Problem implements LayerProblem {
  private final LayerFile file;
  private final Owl3Variant variant;
  private final Owl3Images images;
  private final int[] imagesOfItems;
  private final int tokensPerImage;
  private final int batch;
  private final int textRows;
  private final int pastRows;
  private final int hidden;
  private final int heads;
  private final int keyValueHeads;
  private final int headDim;

  Owl3Problem(LayerFile file) {
    GoldenSpec spec = file.spec();
    this.file = file;
    this.variant = variant(spec.text("variant"));
    this.hidden = spec.count("hidden");
    this.heads = spec.count("heads");
    this.keyValueHeads = spec.count("kv_heads");
    this.headDim = spec.count("head_dim");
    this.tokensPerImage = spec.count("tokens_per_image");
    this.pastRows = spec.number("past").intValue();
    int[] x = file.shape("in.hidden_states", 3);
    this.batch = x[0];
    this.textRows = x[1];
    this.imagesOfItems = file.ints("in.num_images");
    this.images = images();
    file.requireShape("in.hidden_states", batch, textRows, hidden);
    file.requireShape("in.image_embeds", images.count(), tokensPerImage, hidden);
    file.requireShape("dout", batch, textRows, hidden);
    if (pastRows > 0) {
      file.requireShape("in.past_k", batch, keyValueHeads, pastRows, headDim);
      file.requireShape("in.past_v", batch, keyValueHeads, pastRows, headDim);
    }
    spec.requireUsualScale(headDim);
    spec.expect("module", "HyperQwen2DecoderLayer");
    spec.expect("rope", "half-split pairing");
    file.requireKnown(
        Set.of(
            "in.hidden_states",
            "in.image_embeds",
            "in.media_pos",
            "in.num_images",
            "in.past_k",
            "in.past_v"),
        layer(Strategy.QUERY_RING).parameterShapes());
  }

  private Owl3Layer layer(Strategy strategy) {
    GoldenSpec spec = file.spec();
    return Owl3Layer.builder()
        .variant(variant)
        .hidden(hidden)
        .heads(heads)
        .keyValueHeads(keyValueHeads)
        .headDim(headDim)
        .intermediate(spec.count("intermediate"))
        .epsilon(spec.number("rms_norm_eps").doubleValue())
        .theta(spec.number("rope_theta").doubleValue())
        .strategy(strategy)
        .build();
  }

  private static Owl3Variant variant(String said) {
    if (said.startsWith("gated")) {
      return Owl3Variant.GATED;
    }
    if (said.startsWith("fused")) {
      return Owl3Variant.FUSED;
    }
    throw new GoldenException("variant '" + said + "', expected gated or fused");
  }

  private Owl3Images images() {
    int most = file.shape("in.media_pos", 2)[1];
    file.requireShape("in.media_pos", batch, most);
    file.requireShape("in.num_images", batch);
    int[] padded = file.ints("in.media_pos");
    int[][] positions = new int[batch][];
    for (int item = 0; item < batch; item++) {
      int count = imagesOfItems[item];
      if (count < 0 || count > most) {
        throw new GoldenException("in.num_images holds " + count + ", expected 0 to " + most);
      }
      positions[item] = Arrays.copyOfRange(padded, item * most, item * most + count);
    }
    return new Owl3Images(positions, tokensPerImage);
  }

  @Override
  public Rows rows() {
    return new Rows(textRows, images.rows(), pastRows);
  }

  @Override
  public Map<String, RowLayout> layouts(Cut cut) {
    RowLayout rows = new RowLayout(batch, cut.text(), hidden);
    RowLayout ofHeads = new RowLayout(batch * heads, cut.text(), headDim);
    RowLayout ofKeys = new RowLayout(keyValueHeads, cut.visual(), headDim);
    RowLayout past = new RowLayout(batch * keyValueHeads, cut.past(), headDim);
    Map<String, RowLayout> layouts = new LinkedHashMap<>();
    layouts.put("out", rows);
    layouts.put(DECODED, rows);
    layouts.put("grad.in.hidden_states", rows);
    layouts.put("grad.in.image_embeds", new RowLayout(1, cut.visual(), hidden));
    layouts.put("grad.in.past_k", past);
    layouts.put("grad.in.past_v", past);
    layouts.put("mid.q", ofHeads);
    layouts.put("o", ofHeads);
    layouts.put("text_o", ofHeads);
    layouts.put("lse", new RowLayout(batch * heads, cut.text(), 1));
    layouts.put("vis_k", ofKeys);
    layouts.put("vis_v", ofKeys);
    return layouts;
  }

  @Override
  public Results run(Group group, Cut cut, Way way) {
    Owl3Layer layer = layer(way.strategy());
    int self = group.rank();
    try (LayerRank rank = new LayerRank(file, group, cut, way)) {
      Owl3Batch described =
          Owl3Batch.of(
              group,
              variant,
              images,
              cut.text().rows(self),
              cut.past().rows(self),
              cut.visual().rows(self));
      rank.atEnd(described::close);
      Parameters weights = rank.weights();
      Gradients gradients = rank.gradients();
      Tensor x = rank.text("in.hidden_states", batch, hidden);
      Tensor dOut = rank.text("dout", batch, hidden);
      VisualCheckpoint visual = rank.visual("in.image_embeds", 1, hidden);
      TextCache past = past(rank, way, x);
      try (Owl3Layer.Activations activations = layer.forward(weights, x, visual, described, past);
          Owl3Layer.InputGradients input = layer.backward(activations, dOut, gradients);
          KeyValueCache cache = visual.project(layer.projection(weights, described));
          Tensor decoded = layer.decode(group, weights, x, cache, past, described)) {
        rank.put("out", activations.output());
        rank.put(DECODED, decoded);
        rank.put("grad.in.hidden_states", input.x());
        rank.putHeads("grad.in.past_k", input.pastKeys());
        rank.putHeads("grad.in.past_v", input.pastValues());
        rank.putHeads("mid.q", activations.query());
        rank.putHeads("o", activations.attention());
        rank.put("lse", activations.logSumExp());
        Tensor text = activations.textAttention();
        if (text != null) {
          rank.putHeads("text_o", text);
        }
        rank.putHeads("vis_k", cache.key());
        rank.putHeads("vis_v", cache.value());
      }
      rank.put("grad.in.image_embeds", visual.featuresGradient());
      rank.put(gradients);
      return rank.results();
    }
  }

  /** This rank's cached rows, with room for the new ones. */
  private TextCache past(LayerRank rank, Way way, Tensor x) {
    Tensor keys = pastRows == 0 ? null : rank.past("in.past_k", batch * keyValueHeads, headDim);
    Tensor values = pastRows == 0 ? null : rank.past("in.past_v", batch * keyValueHeads, headDim);
    long rows = keys == null ? 0 : keys.dimension(1);
    TextCache cache =
        TextCache.allocate(
            rank.group().device(),
            way.dtype(),
            batch,
            rows + x.dimension(1),
            keyValueHeads,
            headDim);
    rank.atEnd(cache::close);
    if (keys != null && values != null) {
      cache.append(byItem(keys, rows), byItem(values, rows));
    }
    return cache;
  }

  private Tensor byItem(Tensor blocks, long rows) {
    return blocks.reshape(batch, keyValueHeads, rows, headDim).permute(0, 2, 1, 3);
  }

  /** The files store intermediate results by item. */
  @Override
  public Results named(Results whole) {
    Results named = new Results();
    for (String name : whole.names()) {
      double[] values = whole.get(name);
      switch (name) {
        case "o", "lse", "text_o" -> {
          String mid = variant == Owl3Variant.GATED && !name.equals("text_o") ? "vis_" : "";
          int size = values.length / batch;
          for (int item = 0; item < batch; item++) {
            named.put(
                "mid." + mid + name + item,
                Arrays.copyOfRange(values, item * size, (item + 1) * size));
          }
        }
        case "vis_k", "vis_v" -> putKeys(named, name, values);
        default -> named.put(name, values);
      }
    }
    return named;
  }

  /** Cuts [heads, rows of all images, headDim] into the images of each item. */
  private void putKeys(Results named, String name, double[] values) {
    int all = Math.toIntExact(images.rows()) * headDim;
    int begin = 0;
    for (int item = 0; item < batch; item++) {
      int size = imagesOfItems[item] * tokensPerImage * headDim;
      double[] part = new double[keyValueHeads * size];
      for (int head = 0; head < keyValueHeads; head++) {
        System.arraycopy(values, head * all + begin, part, head * size, size);
      }
      named.put("mid." + name + item, part);
      begin += size;
    }
  }

  @Override
  public boolean hides(String name) {
    return false;
  }
}
