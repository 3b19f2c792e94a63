// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.model.FlamingoBlock;
import org.lvxattn.model.FlamingoMasks;
import org.lvxattn.model.Gradients;
import org.lvxattn.model.Parameters;
import org.lvxattn.model.VisualMask;
import org.lvxattn.oracle.Results;
import org.lvxattn.visual.KeyValueCache;
import org.lvxattn.visual.VisualCheckpoint;

/** OpenFlamingo's gated cross-attention block. */
final class FlamingoProblem implements LayerProblem {
  private static final String LOCATIONS = "in.media_locations";

  private final LayerFile file;
  private final int batch;
  private final int textRows;
  private final int images;
  private final int latents;
  private final int width;
  private final int visualWidth;
  private final int heads;
  private final int headDim;

  FlamingoProblem(LayerFile file) {
    GoldenSpec spec = file.spec();
    this.file = file;
    this.width = spec.count("dim");
    this.visualWidth = spec.count("dim_visual");
    this.heads = spec.count("heads");
    this.headDim = spec.count("head_dim");
    this.images = spec.count("media_items");
    this.latents = spec.count("latents");
    int[] x = file.shape("in.x", 3);
    this.batch = x[0];
    this.textRows = x[1];
    file.requireShape("in.x", batch, textRows, width);
    file.requireShape("in.media", batch, images, latents, visualWidth);
    file.requireShape("dout", batch, textRows, width);
    spec.requireUsualScale(headDim);
    spec.expect("module", "GatedCrossAttentionBlock");
    spec.expect("gelu", "exact");
    file.requireKnown(
        Set.of("in.x", "in.media", LOCATIONS), block(Strategy.QUERY_RING).parameterShapes());
  }

  private FlamingoBlock block(Strategy strategy) {
    return FlamingoBlock.builder()
        .width(width)
        .visualWidth(visualWidth)
        .heads(heads)
        .headDim(headDim)
        .feedForwardFactor(file.shape("w.ff.1.weight", 2)[0] / width)
        .epsilon(file.spec().number("layer_norm_eps").doubleValue())
        .strategy(strategy)
        .build();
  }

  @Override
  public Rows rows() {
    return new Rows(textRows, (long) images * latents, 0);
  }

  @Override
  public Map<String, RowLayout> layouts(Cut cut) {
    Map<String, RowLayout> layouts = new LinkedHashMap<>();
    layouts.put("out", new RowLayout(batch, cut.text(), width));
    layouts.put(DECODED, new RowLayout(batch, cut.text(), width));
    layouts.put("grad.in.x", new RowLayout(batch, cut.text(), width));
    layouts.put("grad.in.media", new RowLayout(batch, cut.visual(), visualWidth));
    layouts.put("mid.q", new RowLayout(batch * heads, cut.text(), headDim));
    layouts.put("mid.k", new RowLayout(batch * heads, cut.visual(), headDim));
    layouts.put("mid.v", new RowLayout(batch * heads, cut.visual(), headDim));
    layouts.put("mid.o", new RowLayout(batch * heads, cut.text(), headDim));
    layouts.put("mid.lse", new RowLayout(batch * heads, cut.text(), 1));
    return layouts;
  }

  @Override
  public Results run(Group group, Cut cut, Way way) {
    FlamingoBlock block = block(way.strategy());
    try (LayerRank rank = new LayerRank(file, group, cut, way)) {
      VisualMask mask = mask(rank);
      Parameters weights = rank.weights();
      Gradients gradients = rank.gradients();
      Tensor x = rank.text("in.x", batch, width);
      Tensor dOut = rank.text("dout", batch, width);
      VisualCheckpoint visual = rank.visual("in.media", batch, visualWidth);
      try (FlamingoBlock.Activations activations = block.forward(weights, x, visual, mask);
          Tensor dx = block.backward(activations, dOut, gradients);
          KeyValueCache cache = visual.project(block.projection(weights));
          Tensor decoded = block.decode(group, weights, x, cache, mask)) {
        rank.put("out", activations.output());
        rank.put(DECODED, decoded);
        rank.put("grad.in.x", dx);
        Tensor live = mask.live();
        if (live == null) {
          rank.putHeads("mid.q", activations.query());
        }
        rank.putHeads("mid.o", activations.attention().output());
        rank.put("mid.lse", sumsOfSeeing(activations.attention().logSumExp(), mask));
        rank.putHeads("mid.k", cache.key());
        rank.putHeads("mid.v", cache.value());
      }
      rank.put("grad.in.media", visual.featuresGradient());
      rank.put(gradients);
      return rank.results();
    }
  }

  /** Queries of rows that see no image are cleared before the attention. */
  @Override
  public boolean hides(String name) {
    return name.equals("mid.q");
  }

  /** The files have -infinity for every row that sees no image, including rows that average all. */
  private double[] sumsOfSeeing(Tensor lse, VisualMask mask) {
    double[] sums = lse.toDoubles();
    Tensor live = mask.live();
    if (live != null) {
      int[] sees = live.toInts();
      int rows = Math.toIntExact(lse.dimension(2));
      for (int i = 0; i < sums.length; i++) {
        int item = i / rows / heads;
        if (sees[item * rows + i % rows] == 0) {
          sums[i] = Double.NEGATIVE_INFINITY;
        }
      }
    }
    return sums;
  }

  private VisualMask mask(LayerRank rank) {
    boolean cached = file.spec().flag("use_cached_media");
    boolean immediate = file.spec().flag("only_attend_immediate_media");
    if (!file.has(LOCATIONS)) {
      if (!cached) {
        throw new GoldenException("no " + LOCATIONS + ", expected them without cached media");
      }
      return VisualMask.none();
    }
    FlamingoMasks.Seen seen =
        immediate ? FlamingoMasks.Seen.IMMEDIATE : FlamingoMasks.Seen.PREVIOUS;
    boolean[][] locations = locations();
    VisualMask mask =
        cached
            ? FlamingoMasks.ofCached(
                rank.group().device(), seen, locations, images, latents, rank.textRows())
            : FlamingoMasks.of(
                rank.group().device(), seen, locations, images, latents, rank.textRows());
    rank.atEnd(mask::close);
    return mask;
  }

  private boolean[][] locations() {
    int rows = file.shape(LOCATIONS, 2)[1];
    file.requireShape(LOCATIONS, batch, rows);
    int[] values = file.ints(LOCATIONS);
    boolean[][] locations = new boolean[batch][rows];
    for (int i = 0; i < values.length; i++) {
      locations[i / rows][i % rows] = values[i] != 0;
    }
    return locations;
  }

  @Override
  public Results named(Results whole) {
    return whole;
  }
}
