// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.testing.Seeds;
import org.lvxattn.visual.VisualCheckpoint;

/**
 * Random inputs and parameters of a {@link TinyLayer}, exact in every dtype, computed over any
 * ranks.
 */
final class TinyProblem {
  final TinyLayer layer;
  final Map<String, double[]> weights = new LinkedHashMap<>();
  final double[] x;
  final double[] features;
  final double[] dOut;

  TinyProblem(TinyLayer layer, long seed) {
    Random random = Seeds.random(seed);
    this.layer = layer;
    layer
        .shapes()
        .forEach(
            (name, shape) -> {
              int size = 1;
              for (long extent : shape) {
                size *= Math.toIntExact(extent);
              }
              weights.put(name, numbers(random, size, 0.4));
            });
    int text = TinyLayer.BATCH * TinyLayer.TEXT_ROWS * TinyLayer.WIDTH;
    x = numbers(random, text, 1);
    dOut = numbers(random, text, 1);
    int visual = layer.visualBatch() * TinyLayer.VISUAL_ROWS * layer.visualWidth();
    features = numbers(random, visual, 1);
  }

  private static double[] numbers(Random random, int size, double scale) {
    return random.doubles(size).map(v -> Math.rint(64 * scale * (2 * v - 1)) / 64).toArray();
  }

  /** How text and visual rows are sharded: the bounds between the ranks. */
  static final class Cut {
    private final int[] text;
    private final int[] visual;

    Cut(int[] text, int[] visual) {
      this.text = text;
      this.visual = visual;
    }

    static Cut none() {
      return random(1, Seeds.random(0));
    }

    static Cut random(int ranks, Random random) {
      return new Cut(
          bounds(ranks, TinyLayer.TEXT_ROWS, random), bounds(ranks, TinyLayer.VISUAL_ROWS, random));
    }

    private static int[] bounds(int ranks, int rows, Random random) {
      int[] bounds = new int[ranks + 1];
      for (int rank = 1; rank < ranks; rank++) {
        bounds[rank] = random.nextInt(rows + 1);
      }
      bounds[ranks] = rows;
      Arrays.sort(bounds);
      return bounds;
    }
  }

  /** Output and gradients by name: of x, of the features and of the parameters. */
  Map<String, double[]> solve(Cut cut, Strategy strategy, RecomputePolicy policy) {
    return solve(cut, strategy, policy, DType.FLOAT64);
  }

  /** As above, with all tensors in the given dtype. */
  Map<String, double[]> solve(Cut cut, Strategy strategy, RecomputePolicy policy, DType dtype) {
    List<Map<String, double[]>> shards =
        LocalWorld.run(
            cut.text.length - 1, group -> gradients(group, cut, strategy, policy, dtype));
    Map<String, double[]> whole = new LinkedHashMap<>(shards.getFirst());
    whole.put("out", join(shards, "out", TinyLayer.BATCH, cut.text));
    if (layer.takesText()) {
      whole.put("dx", join(shards, "dx", TinyLayer.BATCH, cut.text));
    }
    whole.put("dFeatures", join(shards, "dFeatures", layer.visualBatch(), cut.visual));
    return whole;
  }

  private Map<String, double[]> gradients(
      Group group, Cut cut, Strategy strategy, RecomputePolicy policy, DType dtype) {
    try (Gradients gradients = Gradients.zeros(group.device(), dtype, layer.shapes())) {
      Map<String, double[]> results =
          new LinkedHashMap<>(run(group, cut, strategy, policy, dtype, gradients));
      gradients.allReduce(group);
      gradients.tensors().forEach((name, tensor) -> results.put(name, tensor.toDoubles()));
      return results;
    }
  }

  /** The sum of out * dOut, on one rank. */
  double loss(Group alone) {
    double[] out =
        get(
            run(alone, Cut.none(), Strategy.QUERY_RING, RecomputePolicy.KEEP, DType.FLOAT64, null),
            "out");
    double sum = 0;
    for (int i = 0; i < out.length; i++) {
      sum += out[i] * dOut[i];
    }
    return sum;
  }

  static double[] get(Map<String, double[]> results, String name) {
    return Objects.requireNonNull(results.get(name), name);
  }

  private Map<String, double[]> run(
      Group group,
      Cut cut,
      Strategy strategy,
      RecomputePolicy policy,
      DType dtype,
      @Nullable Gradients gradients) {
    Device device = group.device();
    int rank = group.rank();
    RowShard text = new RowShard(cut.text[rank], cut.text[rank + 1], TinyLayer.TEXT_ROWS);
    try (Parameters parameters = Parameters.allocate(device, dtype, layer.shapes());
        Tensor own = shard(device, dtype, x, TinyLayer.BATCH, cut.text, rank);
        Tensor dOwn = shard(device, dtype, dOut, TinyLayer.BATCH, cut.text, rank);
        VisualCheckpoint visual =
            VisualCheckpoint.builder(
                    group, shard(device, dtype, features, layer.visualBatch(), cut.visual, rank))
                .closeFeatures()
                .policy(policy)
                .tileRows(2)
                .build()) {
      parameters.tensors().forEach((name, tensor) -> tensor.copyFrom(get(weights, name)));
      Map<String, double[]> results =
          new LinkedHashMap<>(
              layer.run(group, strategy, parameters, own, visual, text, dOwn, gradients));
      results.put("dFeatures", visual.featuresGradient().toDoubles());
      return results;
    }
  }

  private static Tensor shard(
      Device device, DType dtype, double[] whole, int batch, int[] bounds, int rank) {
    int rows = bounds[bounds.length - 1];
    int width = whole.length / batch / rows;
    int own = bounds[rank + 1] - bounds[rank];
    double[] values = new double[batch * own * width];
    for (int item = 0; item < batch; item++) {
      System.arraycopy(
          whole, (item * rows + bounds[rank]) * width, values, item * own * width, own * width);
    }
    return Tensor.allocate(device, dtype, batch, own, width).copyFrom(values);
  }

  private static double[] join(
      List<Map<String, double[]>> shards, String name, int batch, int[] bounds) {
    int rows = bounds[bounds.length - 1];
    List<double[]> parts = new ArrayList<>();
    shards.forEach(shard -> parts.add(get(shard, name)));
    int width = parts.stream().mapToInt(part -> part.length).sum() / batch / rows;
    double[] whole = new double[batch * rows * width];
    for (int rank = 0; rank < parts.size(); rank++) {
      int own = bounds[rank + 1] - bounds[rank];
      for (int item = 0; item < batch; item++) {
        System.arraycopy(
            parts.get(rank),
            item * own * width,
            whole,
            (item * rows + bounds[rank]) * width,
            own * width);
      }
    }
    return whole;
  }
}
