// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.cli.output.LineChart;
import org.lvxattn.cli.output.Table;
import org.lvxattn.cli.output.Units;
import org.lvxattn.cli.training.TrainingRun;

/** The report of {@code lvx train-demo} on two trainings that should be equal. */
record TrainDemoReport(
    TrainingRun.Settings settings,
    String optimizer,
    int ranks,
    TrainingRun.Outcome one,
    TrainingRun.Outcome many) {
  /** The largest fraction of the first loss that may remain. */
  private static final double FALL = 0.6;

  /** Number of lines in the table of losses. */
  private static final int LINES = 10;

  /** Largest difference of losses between rank counts, whose sums have different orders. */
  private static double tolerance(DType dtype) {
    return dtype == DType.FLOAT64 ? 1e-9 : 1e-3;
  }

  boolean passed() {
    return coincide() && falls();
  }

  private boolean coincide() {
    return maxDifference() <= tolerance(settings.dtype());
  }

  private boolean falls() {
    return lastLoss(one) <= FALL * firstLoss(one) && lastLoss(many) <= FALL * firstLoss(many);
  }

  /** NaN if a loss is NaN. */
  private double maxDifference() {
    double max = 0;
    for (int i = 0; i < one.losses().size(); i++) {
      max = Math.max(max, Math.abs(one.losses().get(i) - many.losses().get(i)));
    }
    return max;
  }

  private static double firstLoss(TrainingRun.Outcome outcome) {
    return outcome.losses().getFirst();
  }

  /** Mean over the last tenth of the steps, since every step has other videos. */
  private static double lastLoss(TrainingRun.Outcome outcome) {
    List<Double> losses = outcome.losses();
    return losses.subList(losses.size() - Math.ceilDiv(losses.size(), 10), losses.size()).stream()
        .mapToDouble(Double::doubleValue)
        .average()
        .orElse(Double.NaN);
  }

  Map<String, @Nullable Object> toJson() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("model", settings.sizes().family().toString());
    json.put("layers", settings.sizes().layers());
    json.put("policy", settings.policy().name());
    json.put("optimizer", optimizer);
    json.put("learningRate", settings.rule().learningRate());
    json.put("dtype", settings.dtype().toString());
    json.put("steps", settings.steps());
    json.put("seed", settings.seed());
    json.put("passed", passed());
    json.put("maxDifference", maxDifference());
    json.put("allowedDifference", tolerance(settings.dtype()));
    json.put("firstLoss", firstLoss(one));
    json.put("lastLoss", lastLoss(one));
    json.put("runs", List.of(toJson(1, one), toJson(ranks, many)));
    return json;
  }

  private static Map<String, @Nullable Object> toJson(int ranks, TrainingRun.Outcome outcome) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("ranks", ranks);
    json.put("losses", outcome.losses());
    json.put("accuracy", outcome.accuracy());
    json.put("seconds", outcome.seconds());
    return json;
  }

  String toText() {
    StringBuilder text =
        new StringBuilder(
            String.format(
                Locale.ROOT,
                "In which of %d frames is a pattern shown? %d layers of %s, %s, %s, %s%n%n",
                settings.frames(),
                settings.sizes().layers(),
                settings.sizes().family(),
                optimizer,
                settings.policy(),
                settings.dtype()));
    text.append(losses()).append('\n');
    line(text, "difference", Units.error(maxDifference()) + " at most" + allowed());
    line(text, "loss", lossFell());
    line(
        text,
        "right answers",
        String.format(
            Locale.ROOT,
            "%.0f %% in the end; guessing finds %.0f %%",
            100 * many.accuracy(),
            100.0 / settings.frames()));
    line(
        text,
        "time",
        Units.seconds(one.seconds())
            + " on 1 rank, "
            + Units.seconds(many.seconds())
            + " on "
            + ranks);
    return text.toString();
  }

  private String losses() {
    Table table = new Table("step", "loss on 1 rank", "on " + ranks, "difference");
    int steps = one.losses().size();
    for (int line = 0; line < Math.min(LINES, steps); line++) {
      int step = steps <= LINES ? line : Math.round((float) line * (steps - 1) / (LINES - 1));
      double first = one.losses().get(step);
      double second = many.losses().get(step);
      table.row(
          String.valueOf(step + 1),
          String.format(Locale.ROOT, "%.6f", first),
          String.format(Locale.ROOT, "%.6f", second),
          Units.error(Math.abs(first - second)));
    }
    return table.toString();
  }

  private String allowed() {
    return coincide()
        ? ": the curves coincide"
        : ", allowed are " + Units.error(tolerance(settings.dtype())) + ": THE CURVES DIFFER";
  }

  private String lossFell() {
    return String.format(
        Locale.ROOT,
        "%.4f to %.4f%s",
        firstLoss(many),
        lastLoss(many),
        falls() ? "" : ": IT DID NOT FALL TO 60 %");
  }

  private static void line(StringBuilder text, String name, String value) {
    text.append(String.format(Locale.ROOT, "  %-13s %s%n", name, value));
  }

  LineChart chart() {
    LineChart chart = new LineChart("Training on 1 rank and on " + ranks, "step", "loss");
    chart.series("1 rank", one.losses());
    chart.series(ranks + " ranks", many.losses());
    return chart;
  }
}
