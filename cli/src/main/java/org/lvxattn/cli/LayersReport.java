// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Strategy;
import org.lvxattn.cli.layers.LayerCost;
import org.lvxattn.cli.layers.LayerSizes;
import org.lvxattn.cli.layers.LayersRun;
import org.lvxattn.cli.layers.PolicyResult;
import org.lvxattn.cli.output.Table;
import org.lvxattn.cli.output.Units;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Bounds;
import org.lvxattn.plan.RecomputePolicy;

/** The report of {@code lvx run --layers}, a row for each policy. */
record LayersReport(
    JobOptions job,
    Strategy strategy,
    LayersRun.Settings settings,
    double scale,
    List<PolicyResult> policies) {
  /** Whether every error is within the bound for golden layers. */
  boolean passed() {
    return policies.stream()
        .flatMap(result -> Stream.of(result.errors(), result.weightErrors()))
        .flatMap(errors -> errors.values().stream())
        .allMatch(error -> error <= bound());
  }

  private double bound() {
    return Bounds.ofLayer(settings.dtype());
  }

  private AttentionShape shape() {
    LayerSizes sizes = settings.sizes();
    return new AttentionShape(
        1,
        settings.textRows(),
        (long) settings.frames() * settings.tokensPerFrame(),
        sizes.heads(),
        sizes.keyHeads(),
        sizes.headDim());
  }

  private String pass() {
    return settings.backward() ? "forward+backward" : "forward";
  }

  Map<String, @Nullable Object> toJson() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("model", job.sizes.modelName());
    json.put("strategy", strategy.name());
    json.put("ranks", job.ranks);
    json.put("group", job.group);
    json.put("device", job.device().word());
    json.put("dtype", settings.dtype().toString());
    json.put("pass", pass());
    json.put("shape", shape().toJson());
    json.put("layers", settings.sizes().layers());
    json.put("scaleWidth", scale);
    json.put("hidden", settings.sizes().hidden());
    json.put("inner", settings.sizes().inner());
    json.put("visualWidth", settings.sizes().visualWidth());
    json.put("tileRows", settings.tileRows());
    json.putAll(toJson(policies.getLast()));
    json.put("policies", policies.stream().map(this::toJson).toList());
    return json;
  }

  private Map<String, @Nullable Object> toJson(PolicyResult result) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("policy", result.policy().name());
    json.put("seconds", result.outcome().seconds());
    json.put("flops", result.flops());
    json.put("peakBytes", result.peakBytes());
    json.put("plannedBytes", result.plannedBytes());
    PolicyResult keep = keep();
    if (keep != null) {
      json.put("secondsOverKeep", result.secondsOver(keep));
      json.put("flopsOverKeep", result.flops() / keep.flops());
    }
    json.put("perRank", result.outcome().ranks().stream().map(LayerCost::toJson).toList());
    if (!result.errors().isEmpty()) {
      Map<String, Double> worst = new LinkedHashMap<>(result.errors());
      Map.Entry<String, Double> weight = result.worstWeight();
      if (weight != null) {
        worst.put("dweights", weight.getValue());
        json.put("weightErrors", result.weightErrors());
      }
      json.put("maxError", worst);
    }
    return json;
  }

  private @Nullable PolicyResult keep() {
    return policies.stream()
        .filter(result -> result.policy() == RecomputePolicy.KEEP)
        .findFirst()
        .orElse(null);
  }

  String toText() {
    return what() + '\n' + costs() + '\n' + exactness();
  }

  private String what() {
    LayerSizes sizes = settings.sizes();
    StringBuilder text = new StringBuilder("Whole layers, " + pass() + "\n\n");
    line(
        text,
        "model",
        String.format(
            Locale.ROOT,
            "%s, %d of its layers%s",
            job.sizes.modelName(),
            sizes.layers(),
            scaled()));
    line(
        text,
        "widths",
        String.format(
            Locale.ROOT,
            "text %,d (%,d inside), features %,d; %d query heads, %d key heads of %d",
            sizes.hidden(),
            sizes.inner(),
            sizes.visualWidth(),
            sizes.heads(),
            sizes.keyHeads(),
            sizes.headDim()));
    line(
        text,
        "rows",
        String.format(Locale.ROOT, "%,d text, %,d visual", settings.textRows(), shape().keys()));
    line(text, "dtype", settings.dtype() + ", accumulated in " + settings.dtype().accumulator());
    line(text, "ranks", job.ranks + " (" + job.group + ", " + job.device() + ")");
    line(
        text,
        "strategy",
        strategy + "; RECOMPUTE_TILED gathers queries, " + settings.tileRows() + " rows a tile");
    return text.toString();
  }

  private String scaled() {
    return scale == 1
        ? ""
        : String.format(Locale.ROOT, ", narrowed to %s of their width (--scale-width)", scale);
  }

  private static void line(StringBuilder text, String name, String value) {
    text.append(String.format(Locale.ROOT, "  %-10s %s%n", name, value));
  }

  private String costs() {
    Table table =
        new Table("policy", "time", "to KEEP", "by operations", "sent", "peak memory", "planned");
    PolicyResult keep = keep();
    for (PolicyResult result : policies) {
      table.row(
          result.policy().name(),
          Units.seconds(result.outcome().seconds()),
          keep == null ? "-" : ratio(result.secondsOver(keep)),
          keep == null ? "-" : ratio(result.flops() / keep.flops()),
          Units.bytes(result.bytesSent()),
          Units.bytes(result.peakBytes()),
          planned(result));
    }
    return table
        + "\n"
        + "  Of the slowest, busiest or largest rank; weights, which local ranks share, are not"
        + " counted.\n";
  }

  private static String planned(PolicyResult result) {
    Long bytes = result.plannedBytes();
    return bytes == null ? "-" : Units.bytes(bytes);
  }

  private static String ratio(double value) {
    return String.format(Locale.ROOT, "%.2f", value);
  }

  private String exactness() {
    if (policies.getFirst().errors().isEmpty()) {
      return "Not checked against one rank in float64 (--check does).\n";
    }
    Table table = new Table("policy", "tensor", "error", "allowed", "");
    for (PolicyResult result : policies) {
      result.errors().forEach((tensor, error) -> judge(table, result, tensor, error));
      Map.Entry<String, Double> weight = result.worstWeight();
      if (weight != null) {
        judge(table, result, "of " + weight.getKey(), weight.getValue());
      }
    }
    return "Against one rank in float64: largest error over largest value; of the gradients of all"
        + " parameters, the worst\n\n"
        + table;
  }

  private void judge(Table table, PolicyResult result, String tensor, double error) {
    table.row(
        result.policy().name(),
        tensor,
        Units.error(error),
        Units.error(bound()),
        error <= bound() ? "ok" : "WRONG");
  }
}
