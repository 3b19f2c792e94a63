// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.cli.layers.Family;
import org.lvxattn.cli.layers.LayerSizes;
import org.lvxattn.cli.output.ChartFile;
import org.lvxattn.cli.output.Json;
import org.lvxattn.cli.output.Progress;
import org.lvxattn.cli.training.TrainingRun;
import org.lvxattn.optim.Adam;
import org.lvxattn.optim.Sgd;
import org.lvxattn.optim.UpdateRule;
import org.lvxattn.oracle.DeviceChoice;
import org.lvxattn.plan.RecomputePolicy;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** {@code lvx train-demo}: the same training on one rank and on several. */
@Command(
    name = "train-demo",
    description = {
      "Trains a small stack of a model family's layers to find the frame of a synthetic video that"
          + " shows a pattern: on one rank, and on several that share text and video.",
      "Fails if the loss curves differ or the loss does not fall."
    },
    sortOptions = false)
final class TrainDemoCommand implements Callable<Integer> {
  private static final int VIDEOS = 16;
  private static final int FRAMES = 6;
  private static final int TOKENS_PER_FRAME = 8;
  private static final int QUESTIONS = 6;
  private static final int WIDTH = 32;
  private static final int HEADS = 4;
  private static final int HEAD_DIM = 8;
  private static final int TILE_ROWS = 5;
  private static final double ADAM_RATE = 0.01;
  private static final double SGD_RATE = 0.1;
  private static final double SGD_MOMENTUM = 0.9;

  @Option(
      names = "--model",
      paramLabel = "FAMILY",
      converter = FamilyWord.class,
      description = "llama3v (default), openflamingo or mplug-owl3.")
  private Family family = Family.LLAMA3V;

  @Option(
      names = "--layers",
      paramLabel = "N",
      converter = Positive.class,
      description = "Layers (default: ${DEFAULT-VALUE}).")
  private int layers = 2;

  @Option(
      names = "--ranks",
      paramLabel = "N",
      converter = Positive.class,
      description = "Ranks of the second training (default: ${DEFAULT-VALUE}).")
  private int ranks = 4;

  @Option(
      names = "--steps",
      paramLabel = "N",
      converter = Positive.class,
      description = "Steps of each training (default: ${DEFAULT-VALUE}).")
  private int steps = 50;

  @Option(
      names = "--optimizer",
      paramLabel = "O",
      converter = OptimizerWord.class,
      description = "adam (default) or sgd, with momentum.")
  private String optimizer = "adam";

  @Option(
      names = "--learning-rate",
      paramLabel = "X",
      description = "Step size (default: 0.01 for adam, 0.1 for sgd).")
  private @Nullable Double learningRate;

  @Option(
      names = "--policy",
      paramLabel = "P",
      description = "Recomputation policy: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private RecomputePolicy policy = RecomputePolicy.RECOMPUTE_TILED;

  @Option(
      names = "--device",
      paramLabel = "D",
      converter = Choices.DeviceWord.class,
      description = Choices.DEVICE)
  private DeviceChoice device = DeviceChoice.CPU;

  @Option(
      names = "--dtype",
      paramLabel = "T",
      converter = Choices.Dtype.class,
      description = "float64 (default) or float32.")
  private DType dtype = DType.FLOAT64;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of videos and initial parameters (default: ${DEFAULT-VALUE}).")
  private long seed = 0;

  @Option(
      names = "--chart",
      paramLabel = "FILE",
      description = "Draw the loss curves: an .svg or .png file.")
  private @Nullable Path chart;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    if (chart != null) {
      ChartFile.requireFormat(chart);
    }
    TrainingRun.Settings settings = settings();
    TrainDemoReport report = train(settings);
    if (chart != null) {
      report.chart().write(chart);
    }
    System.out.print(json ? Json.write(report.toJson()) + "\n" : report.toText());
    return report.passed() ? 0 : 1;
  }

  private TrainDemoReport train(TrainingRun.Settings settings) {
    try (Progress progress = Progress.of("lvx train-demo", 2L * steps)) {
      progress.doing("1 rank");
      TrainingRun.Outcome one = new TrainingRun(settings, 1).run(progress::step);
      progress.doing(ranks + " ranks");
      TrainingRun.Outcome many = new TrainingRun(settings, ranks).run(progress::step);
      return new TrainDemoReport(settings, optimizer, ranks, one, many);
    }
  }

  private TrainingRun.Settings settings() {
    if (dtype != DType.FLOAT64 && dtype != DType.FLOAT32) {
      throw new UsageException("--dtype " + dtype + ", expected float64 or float32");
    }
    return new TrainingRun.Settings(
        sizes(),
        VIDEOS,
        FRAMES,
        TOKENS_PER_FRAME,
        QUESTIONS,
        dtype,
        policy,
        TILE_ROWS,
        rule(),
        steps,
        seed,
        device);
  }

  private LayerSizes sizes() {
    int keyHeads = family == Family.OPENFLAMINGO ? HEADS : HEADS / 2;
    return new LayerSizes(family, WIDTH, HEADS, keyHeads, HEAD_DIM, 2 * WIDTH, WIDTH, layers);
  }

  private UpdateRule rule() {
    boolean adam = optimizer.equals("adam");
    double rate = learningRate != null ? learningRate : adam ? ADAM_RATE : SGD_RATE;
    return adam ? new Adam(rate) : new Sgd(rate, SGD_MOMENTUM, 0);
  }

  /** Parses a model family. */
  static final class FamilyWord implements ITypeConverter<Family> {
    @Override
    public Family convert(String word) {
      try {
        return Family.named(word);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  /** Parses an optimizer. */
  static final class OptimizerWord implements ITypeConverter<String> {
    @Override
    public String convert(String word) {
      if (word.equals("adam") || word.equals("sgd")) {
        return word;
      }
      throw new TypeConversionException("unknown optimizer '" + word + "', expected adam or sgd");
    }
  }
}
