// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.testing.Seeds;
import org.lvxattn.visual.KeyValueCache;
import org.lvxattn.visual.VisualCheckpoint;

/** A batch of float64 prompts for a small layer of mPLUG-Owl3, to be computed in several ways. */
final class Owl3Prompts {
  private static final int WIDTH = 16;
  private static final int TOKENS = 3;

  /**
   * Rows of all prompts that are computed together.
   *
   * @param bounds where the rows of each rank begin, and the last end
   * @param decoded by decode, else by forward
   * @param ahead whether the images of later pieces are there already
   */
  record Piece(List<Integer> bounds, boolean decoded, boolean ahead) {
    int begin() {
      return bounds.getFirst();
    }

    int end() {
      return bounds.getLast();
    }

    @Override
    public String toString() {
      return (decoded ? "decode" : "forward") + (ahead ? " ahead " : " ") + bounds;
    }
  }

  private final Owl3Variant variant;
  private final int rows;
  private final int[][] positions;
  private final int[] padding;
  private final double[][] texts; // [item][row * WIDTH], NaN where padded
  private final double[][] images; // [item][image * TOKENS * WIDTH]

  Owl3Prompts(Owl3Variant variant, int rows, int[][] positions, int[] padding, long seed) {
    this.variant = variant;
    this.rows = rows;
    this.positions = positions;
    this.padding = padding;
    this.texts = new double[positions.length][];
    this.images = new double[positions.length][];
    Random random = new Random(seed);
    for (int item = 0; item < positions.length; item++) {
      texts[item] = values(random, rows * WIDTH);
      Arrays.fill(texts[item], 0, padding[item] * WIDTH, Double.NaN);
      images[item] = values(random, positions[item].length * TOKENS * WIDTH);
    }
  }

  /** Random positions for zero to three images in each prompt. */
  static int[][] positions(Random random, int batch, int rows) {
    int[][] positions = new int[batch][];
    for (int item = 0; item < batch; item++) {
      positions[item] =
          rows == 0
              ? new int[0]
              : random.ints(random.nextInt(4), 0, rows).sorted().distinct().toArray();
    }
    return positions;
  }

  /** A random cut of rows into pieces, and of each piece into the ranks' parts, some empty. */
  static List<Piece> pieces(Random random, int rows, int ranks) {
    List<Piece> pieces = new ArrayList<>();
    for (int begin = 0; begin < rows; ) {
      int end = begin + 1 + (random.nextBoolean() ? 0 : random.nextInt(rows - begin));
      int[] bounds = random.ints(ranks + 1, begin, end + 1).sorted().toArray();
      bounds[0] = begin;
      bounds[ranks] = end;
      pieces.add(
          new Piece(
              Arrays.stream(bounds).boxed().toList(), random.nextBoolean(), random.nextBoolean()));
      begin = end;
    }
    return pieces;
  }

  /** All rows at once on one rank, without padding. */
  double[] whole() {
    return inPieces(1, List.of(new Piece(List.of(0, rows), false, true)));
  }

  /** Each prompt alone, without padding; the outputs of padding rows are 0. */
  double[] eachAlone() {
    double[] out = new double[texts.length * rows * WIDTH];
    for (int item = 0; item < texts.length; item++) {
      double[] own = alone(item).whole();
      System.arraycopy(own, 0, out, (item * rows + padding[item]) * WIDTH, own.length);
    }
    return out;
  }

  private Owl3Prompts alone(int item) {
    int live = rows - padding[item];
    Owl3Prompts prompt =
        new Owl3Prompts(variant, live, new int[][] {positions[item]}, new int[1], 0);
    prompt.texts[0] = Arrays.copyOfRange(texts[item], padding[item] * WIDTH, rows * WIDTH);
    prompt.images[0] = images[item];
    return prompt;
  }

  /** Outputs [item, row, WIDTH] over ranks that share each piece, and images at random. */
  double[] inPieces(int ranks, List<Piece> pieces) {
    return sum(LocalWorld.run(ranks, group -> rank(group, pieces)));
  }

  /**
   * Sums over the ranks: only one rank has a given row, and gradients of parameters are partial.
   */
  private static double[] sum(List<double[]> ofRanks) {
    double[] sum = new double[ofRanks.getFirst().length];
    for (double[] ofRank : ofRanks) {
      Arrays.setAll(sum, i -> sum[i] + ofRank[i]);
    }
    return sum;
  }

  private double[] rank(Group group, List<Piece> pieces) {
    double[] out = new double[texts.length * rows * WIDTH];
    Owl3Layer layer = layer();
    try (Parameters weights = weights(group.device(), layer);
        TextCache past =
            TextCache.allocate(group.device(), DType.FLOAT64, texts.length, rows, 1, 8)) {
      int[] padded = new int[texts.length]; // among this rank's rows so far
      for (Piece piece : pieces) {
        int begin = piece.bounds().get(group.rank());
        int end = piece.bounds().get(group.rank() + 1);
        addPadding(padded, begin, end);
        Owl3Prompts of = piece.ahead() ? this : upTo(piece.end());
        try (VisualCheckpoint visual = of.visual(group);
            Owl3Batch batch = of.batch(group, padded, end - begin, past.rows(), visual);
            Tensor x = rows(group.device(), texts, begin, end)) {
          if (piece.decoded()) {
            try (KeyValueCache cache = visual.project(layer.projection(weights, batch));
                Tensor decoded = layer.decode(group, weights, x, cache, past, batch)) {
              put(out, decoded, begin);
            }
          } else {
            try (Owl3Layer.Activations activations =
                layer.forward(weights, x, visual, batch, past)) {
              put(out, activations.output(), begin);
              activations.appendTo(past);
            }
          }
        }
      }
      return out;
    }
  }

  /** With only those images whose tokens are before the end of a piece. */
  private Owl3Prompts upTo(int end) {
    int[][] places = new int[positions.length][];
    for (int item = 0; item < places.length; item++) {
      int pad = padding[item];
      places[item] = Arrays.stream(positions[item]).filter(place -> pad + place < end).toArray();
    }
    Owl3Prompts prompts = new Owl3Prompts(variant, rows, places, padding, 0);
    Arrays.setAll(
        prompts.images, item -> Arrays.copyOf(images[item], places[item].length * TOKENS * WIDTH));
    return prompts;
  }

  /** Gradients of x, of the images and of the parameters, one after the other. */
  double[] gradients(int ranks) {
    return sum(LocalWorld.run(ranks, this::rankGradients));
  }

  double[] gradientsOfEachAlone() {
    List<double[]> ofItems = new ArrayList<>();
    int text = texts.length * rows * WIDTH;
    int firstImage = text;
    int allImages = Arrays.stream(images).mapToInt(values -> values.length).sum();
    for (int item = 0; item < texts.length; item++) {
      double[] own = alone(item).gradients(1);
      int live = (rows - padding[item]) * WIDTH;
      double[] all = new double[text + allImages + own.length - live - images[item].length];
      System.arraycopy(own, 0, all, (item * rows + padding[item]) * WIDTH, live);
      System.arraycopy(own, live, all, firstImage, images[item].length);
      int parameters = live + images[item].length;
      System.arraycopy(own, parameters, all, text + allImages, own.length - parameters);
      firstImage += images[item].length;
      ofItems.add(all);
    }
    return sum(ofItems);
  }

  private double[] rankGradients(Group group) {
    Owl3Layer layer = layer();
    int begin = rows * group.rank() / group.size();
    int end = rows * (group.rank() + 1) / group.size();
    int[] padded = new int[texts.length];
    addPadding(padded, begin, end);
    try (Parameters weights = weights(group.device(), layer);
        Gradients gradients =
            Gradients.zeros(group.device(), DType.FLOAT64, layer.parameterShapes());
        VisualCheckpoint visual = visual(group);
        Owl3Batch batch = batch(group, padded, end - begin, 0, visual);
        Tensor x = rows(group.device(), texts, begin, end);
        Owl3Layer.Activations activations = layer.forward(weights, x, visual, batch, null);
        Owl3Layer.InputGradients input = layer.backward(activations, x, gradients)) {
      double[] dx = new double[texts.length * rows * WIDTH];
      put(dx, input.x(), begin);
      double[] dImages = new double[imageRows() * WIDTH];
      double[] ownImages = visual.featuresGradient().toDoubles();
      System.arraycopy(
          ownImages, 0, dImages, imageBound(group, group.rank()) * WIDTH, ownImages.length);
      List<double[]> parts = new ArrayList<>(List.of(dx, dImages));
      gradients.tensors().values().forEach(tensor -> parts.add(tensor.toDoubles()));
      return parts.stream().flatMapToDouble(Arrays::stream).toArray();
    }
  }

  private void addPadding(int[] padded, int begin, int end) {
    for (int item = 0; item < padded.length; item++) {
      padded[item] += Math.clamp(padding[item] - begin, 0, end - begin);
    }
  }

  private Owl3Batch batch(
      Group group, int[] padded, int rows, long cached, VisualCheckpoint visual) {
    Owl3Images of = new Owl3Images(positions, TOKENS);
    long visualRows = visual.features().dimension(1);
    return Arrays.stream(padding).sum() == 0
        ? Owl3Batch.of(group, variant, of, rows, cached, visualRows)
        : Owl3Batch.of(group, variant, of, padded, rows, cached, visualRows);
  }

  private int imageRows() {
    return Arrays.stream(images).mapToInt(values -> values.length / WIDTH).sum();
  }

  private int imageBound(Group group, int rank) {
    return imageRows() * rank / group.size();
  }

  private VisualCheckpoint visual(Group group) {
    int from = imageBound(group, group.rank());
    int to = imageBound(group, group.rank() + 1);
    double[] all = Arrays.stream(images).flatMapToDouble(Arrays::stream).toArray();
    double[] own = Arrays.copyOfRange(all, from * WIDTH, to * WIDTH);
    return VisualCheckpoint.builder(
            group,
            Tensor.allocate(group.device(), DType.FLOAT64, 1, to - from, WIDTH).copyFrom(own))
        .closeFeatures()
        .build();
  }

  private Owl3Layer layer() {
    return Owl3Layer.builder()
        .variant(variant)
        .hidden(WIDTH)
        .heads(2)
        .keyValueHeads(1)
        .headDim(8)
        .intermediate(12)
        .build();
  }

  private static Parameters weights(Device device, Owl3Layer layer) {
    Random random = Seeds.random(6);
    Parameters weights = Parameters.allocate(device, DType.FLOAT64, layer.parameterShapes());
    weights
        .tensors()
        .values()
        .forEach(tensor -> tensor.copyFrom(values(random, Math.toIntExact(tensor.elements()))));
    return weights;
  }

  private static double[] values(Random random, int count) {
    return random.doubles(count).map(value -> 2 * value - 1).toArray();
  }

  private static Tensor rows(Device device, double[][] items, int from, int to) {
    int size = (to - from) * WIDTH;
    double[] values = new double[items.length * size];
    for (int item = 0; item < items.length; item++) {
      System.arraycopy(items[item], from * WIDTH, values, item * size, size);
    }
    return Tensor.allocate(device, DType.FLOAT64, items.length, to - from, WIDTH).copyFrom(values);
  }

  private void put(double[] out, Tensor tensor, int from) {
    double[] values = tensor.toDoubles();
    int size = Math.toIntExact(tensor.dimension(1)) * WIDTH;
    for (int item = 0; item < texts.length; item++) {
      System.arraycopy(values, item * size, out, (item * rows + from) * WIDTH, size);
    }
  }

  @Override
  public String toString() {
    return variant
        + " rows "
        + rows
        + " images "
        + Arrays.deepToString(positions)
        + " padding "
        + Arrays.toString(padding);
  }
}
