// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.Whole;
import org.lvxattn.layer.KeyValueLayout;
import org.lvxattn.layer.Norm;

/** Random features, parameters, queries and masks over several ranks, determined by a seed. */
public final class VisualProblem {
  private static final List<KeyValueLayout> LAYOUTS = List.of(KeyValueLayout.values());
  private static final List<Norm> NORMS = List.of(Norm.values());

  public final int ranks;
  public final int batch;
  public final int keyHeads;
  public final int heads;
  public final int headDim;
  public final int width;
  public final int queries;
  public final int keys;
  public final int tileRows;
  public final int[] queryBegin;
  public final int[] keyBegin;
  public final KeyValueLayout layout;
  public final Norm inputNorm;
  public final boolean keyNorm;
  public final boolean rotary;
  public final double epsilon = 1e-5;
  public final double theta = 100;

  public final Whole q;
  public final Whole dO;
  public final Whole features;
  public final int ranges;
  public final int @Nullable [] visible;
  public final @Nullable Whole bias;
  public final boolean biasPerHead;
  public final boolean biasPerQuery;
  public final int[] positions;

  /** Weights of K and V together; if they are separate, K's come first. */
  public final double[] weight;

  public final double @Nullable [] projectionBias;
  public final double[] inputWeight;
  public final double[] inputBias;
  public final double[] keyWeight;

  private final Random random;

  public VisualProblem(long seed) {
    random = new Random(seed);
    ranks = 1 + random.nextInt(5);
    batch = 1 + random.nextInt(2);
    keyHeads = 1 + random.nextInt(2);
    heads = keyHeads * (1 + random.nextInt(3));
    headDim = 8 * (1 + random.nextInt(2));
    width = 1 + random.nextInt(24);
    queries = random.nextInt(12);
    keys = random.nextInt(40);
    tileRows = 1 + random.nextInt(20);
    queryBegin = bounds(queries);
    keyBegin = bounds(keys);
    layout = LAYOUTS.get(random.nextInt(LAYOUTS.size()));
    inputNorm = NORMS.get(random.nextInt(NORMS.size()));
    keyNorm = random.nextBoolean();
    rotary = random.nextBoolean();
    q = new Whole(batch, queries, heads * headDim, normal(batch * queries * heads * headDim, 0, 1));
    dO = new Whole(batch, queries, heads * headDim, normal(q.values.length, 0, 1));
    features = new Whole(batch, keys, width, normal(batch * keys * width, 0, 1));
    ranges = 1 + random.nextInt(2);
    visible = random.nextBoolean() ? ranges() : null;
    biasPerHead = random.nextBoolean();
    biasPerQuery = random.nextBoolean();
    int biasItems = (biasPerHead ? heads : 1) * (biasPerQuery ? queries : 1);
    bias =
        random.nextInt(3) == 0
            ? new Whole(biasItems, keys, 1, normal(biasItems * keys, 0, 1))
            : null;
    positions = random.ints((long) batch * keys, 0, 200).toArray();
    int outputs = 2 * keyHeads * headDim;
    weight = normal(outputs * width, 0, 1 / Math.sqrt(width));
    projectionBias = random.nextBoolean() ? normal(outputs, 0, 1) : null;
    inputWeight = normal(width, 1, 0.2);
    inputBias = normal(width, 0, 0.2);
    keyWeight = normal(headDim, 1, 0.2);
  }

  private int[] bounds(int rows) {
    int[] bounds = new int[ranks + 1];
    for (int i = 1; i < ranks; i++) {
      bounds[i] = random.nextInt(rows + 1);
    }
    bounds[ranks] = rows;
    Arrays.sort(bounds);
    return bounds;
  }

  private double[] normal(int count, double mean, double deviation) {
    double[] values = new double[count];
    Arrays.setAll(values, i -> mean + deviation * random.nextGaussian());
    return values;
  }

  private int[] ranges() {
    IntStream ends = IntStream.empty();
    for (int row = 0; row < batch * queries; row++) {
      ends = IntStream.concat(ends, random.ints(2L * ranges, 0, keys + 1).sorted());
    }
    return ends.toArray();
  }

  /** Rounds the inputs to a dtype, so that only the computation has errors. */
  public void round(Device device, DType dtype) {
    for (double[] values :
        Arrays.<double @Nullable []>asList(
            q.values,
            dO.values,
            features.values,
            bias == null ? null : bias.values,
            weight,
            projectionBias,
            inputWeight,
            inputBias,
            keyWeight)) {
      if (values != null) {
        try (Tensor tensor = Tensor.allocate(device, dtype, values.length)) {
          System.arraycopy(tensor.copyFrom(values).toDoubles(), 0, values, 0, values.length);
        }
      }
    }
  }

  /** Rows of an int tensor {@code [batch, rows, width]}. */
  public static int[] part(int[] values, int batch, int rows, int width, int from, int to) {
    int[] part = new int[batch * (to - from) * width];
    for (int item = 0; item < batch; item++) {
      System.arraycopy(
          values,
          (item * rows + from) * width,
          part,
          item * (to - from) * width,
          (to - from) * width);
    }
    return part;
  }

  @Override
  public String toString() {
    return ranks
        + " ranks, "
        + layout
        + ", "
        + inputNorm
        + ", keyNorm "
        + keyNorm
        + ", rotary "
        + rotary
        + ", bias "
        + (projectionBias != null)
        + ", mask "
        + (visible != null)
        + " "
        + (bias != null)
        + ", tiles of "
        + tileRows
        + " of "
        + keys;
  }
}
