// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.testing.Seeds;
import org.lvxattn.visual.KeyValueCache;
import org.lvxattn.visual.VisualCheckpoint;

/** Decoding a text row by row over its caches equals computing it at once. */
class Owl3DecodeTest {
  private static final int BATCH = 2;
  private static final int ROWS = 6;
  private static final int WIDTH = 16;
  private static final int PROMPT = 4;
  private static final Owl3Images IMAGES = new Owl3Images(new int[][] {{0, 2}, {1}}, 4);

  @ParameterizedTest
  @CsvSource({"GATED, 1", "GATED, 3", "FUSED, 1", "FUSED, 3"})
  void equalsOneForward(Owl3Variant variant, int ranks) {
    Random random = Seeds.random(5);
    double[] x = random.doubles(BATCH * ROWS * WIDTH).map(value -> 2 * value - 1).toArray();
    double[] features = random.doubles(12 * WIDTH).map(value -> 2 * value - 1).toArray();
    Owl3Layer layer =
        Owl3Layer.builder()
            .variant(variant)
            .hidden(WIDTH)
            .heads(2)
            .keyValueHeads(1)
            .headDim(8)
            .intermediate(12)
            .build();
    double[] expected =
        LocalWorld.run(1, group -> atOnce(group, layer, variant, x, features)).getFirst();
    List<double[]> found =
        LocalWorld.run(ranks, group -> stepwise(group, layer, variant, x, features));
    for (int i = 0; i < expected.length; i++) {
      double sum = 0; // only one rank has the row
      for (double[] ofRank : found) {
        sum += ofRank[i];
      }
      assertThat(sum).isCloseTo(expected[i], within(1e-11));
    }
  }

  private static double[] atOnce(
      Group group, Owl3Layer layer, Owl3Variant variant, double[] x, double[] features) {
    try (Parameters weights = weights(group.device(), layer);
        VisualCheckpoint visual = visual(group, features, 0, 12);
        Owl3Batch batch = Owl3Batch.of(group, variant, IMAGES, ROWS, 0, 12);
        Tensor rows = rows(group.device(), x, 0, ROWS);
        Owl3Layer.Activations activations = layer.forward(weights, rows, visual, batch, null)) {
      return activations.output().toDoubles();
    }
  }

  /** The last rank has the prompt; new rows go to the ranks round-robin. */
  private static double[] stepwise(
      Group group, Owl3Layer layer, Owl3Variant variant, double[] x, double[] features) {
    int rank = group.rank();
    int last = group.size() - 1;
    double[] out = new double[x.length];
    try (Parameters weights = weights(group.device(), layer);
        VisualCheckpoint visual =
            visual(group, features, 12 * rank / group.size(), 12 * (rank + 1) / group.size());
        TextCache text = TextCache.allocate(group.device(), DType.FLOAT64, BATCH, ROWS, 1, 8)) {
      long visualRows = visual.features().dimension(1);
      int prompt = rank == last ? PROMPT : 0;
      try (Owl3Batch batch = Owl3Batch.of(group, variant, IMAGES, prompt, 0, visualRows);
          Tensor rows = rows(group.device(), x, 0, prompt);
          Owl3Layer.Activations activations = layer.forward(weights, rows, visual, batch, null)) {
        activations.appendTo(text);
        put(out, activations.output(), 0);
      }
      for (int row = PROMPT; row < ROWS; row++) {
        int own = row % group.size() == rank ? 1 : 0;
        try (Owl3Batch batch = Owl3Batch.of(group, variant, IMAGES, own, text.rows(), visualRows);
            KeyValueCache cache = visual.project(layer.projection(weights, batch));
            Tensor rows = rows(group.device(), x, row, row + own);
            Tensor decoded = layer.decode(group, weights, rows, cache, text, batch)) {
          put(out, decoded, row);
        }
      }
      return out;
    }
  }

  private static Parameters weights(Device device, Owl3Layer layer) {
    Random random = Seeds.random(6);
    Parameters weights = Parameters.allocate(device, DType.FLOAT64, layer.parameterShapes());
    weights
        .tensors()
        .values()
        .forEach(
            tensor ->
                tensor.copyFrom(random.doubles(tensor.elements()).map(v -> v - 0.5).toArray()));
    return weights;
  }

  private static VisualCheckpoint visual(Group group, double[] features, int from, int to) {
    double[] own = Arrays.copyOfRange(features, from * WIDTH, to * WIDTH);
    return VisualCheckpoint.builder(
            group,
            Tensor.allocate(group.device(), DType.FLOAT64, 1, to - from, WIDTH).copyFrom(own))
        .closeFeatures()
        .build();
  }

  /** Rows from to to of every item. */
  private static Tensor rows(Device device, double[] x, int from, int to) {
    double[] values = new double[BATCH * (to - from) * WIDTH];
    for (int item = 0; item < BATCH; item++) {
      System.arraycopy(
          x, (item * ROWS + from) * WIDTH, values, item * (to - from) * WIDTH, (to - from) * WIDTH);
    }
    return Tensor.allocate(device, DType.FLOAT64, BATCH, to - from, WIDTH).copyFrom(values);
  }

  private static void put(double[] out, Tensor rows, int from) {
    double[] values = rows.toDoubles();
    int count = Math.toIntExact(rows.dimension(1));
    for (int item = 0; item < BATCH; item++) {
      System.arraycopy(
          values, item * count * WIDTH, out, (item * ROWS + from) * WIDTH, count * WIDTH);
    }
  }
}
