// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.model.Gradients;
import org.lvxattn.model.PerceiverResampler;
import org.lvxattn.oracle.Results;
import org.lvxattn.visual.VisualCheckpoint;

/** OpenFlamingo's resampler; latents (as text) and features of images are sharded. */
final class PerceiverProblem implements LayerProblem {
  private final LayerFile file;
  private final int images;
  private final int features;
  private final int latents;
  private final int width;

  PerceiverProblem(LayerFile file) {
    GoldenSpec spec = file.spec();
    this.file = file;
    this.width = spec.count("dim");
    this.latents = spec.count("latents");
    int[] x = file.shape("in.x", 5); // items, images, frames, features, width
    this.images = x[0] * x[1];
    this.features = x[2] * x[3];
    file.requireShape("in.x", x[0], x[1], x[2], x[3], width);
    file.requireShape("dout", x[0], x[1], latents, width);
    spec.requireUsualScale(spec.count("head_dim"));
    spec.expect("module", "PerceiverResampler");
    spec.expect("gelu", "exact");
    file.requireKnown(Set.of("in.x"), resampler(Strategy.QUERY_RING).parameterShapes());
  }

  private PerceiverResampler resampler(Strategy strategy) {
    GoldenSpec spec = file.spec();
    return PerceiverResampler.builder()
        .width(width)
        .latents(latents)
        .depth(spec.count("depth"))
        .heads(spec.count("heads"))
        .headDim(spec.count("head_dim"))
        .feedForwardFactor(spec.count("ff_mult"))
        .epsilon(spec.number("layer_norm_eps").doubleValue())
        .strategy(strategy)
        .build();
  }

  @Override
  public Rows rows() {
    return new Rows(latents, features, 0);
  }

  @Override
  public Map<String, RowLayout> layouts(Cut cut) {
    Map<String, RowLayout> layouts = new LinkedHashMap<>();
    layouts.put("out", new RowLayout(images, cut.text(), width));
    layouts.put("grad.in.x", new RowLayout(images, cut.visual(), width));
    return layouts;
  }

  @Override
  public Results run(Group group, Cut cut, Way way) {
    PerceiverResampler resampler = resampler(way.strategy());
    try (LayerRank rank = new LayerRank(file, group, cut, way)) {
      Gradients gradients = rank.gradients();
      Tensor dOut = rank.text("dout", images, width);
      VisualCheckpoint visual = rank.visual("in.x", images, width);
      try (PerceiverResampler.Activations activations =
          resampler.forward(rank.weights(), visual, rank.textRows())) {
        resampler.backward(activations, dOut, gradients);
        rank.put("out", activations.output());
      }
      rank.put("grad.in.x", visual.featuresGradient());
      rank.put(gradients);
      return rank.results();
    }
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
