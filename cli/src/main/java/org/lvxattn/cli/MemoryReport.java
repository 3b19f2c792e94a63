// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.cli.output.Table;
import org.lvxattn.cli.output.Units;
import org.lvxattn.plan.RecomputePolicy;

/** The report of {@code lvx memory}, a row for each model. */
record MemoryReport(
    int frames, int text, int ranks, DType dtype, int tileRows, double fit, List<Row> rows) {
  /**
   * One model.
   *
   * @param peakBytes of the rank with the most memory, without weights and their gradients
   * @param frames number of frames that fit
   */
  record Row(
      String model,
      int layers,
      long weightBytes,
      long gradientBytes,
      Map<RecomputePolicy, Long> peakBytes,
      Map<RecomputePolicy, Long> frames) {
    long peak(RecomputePolicy policy) {
      return Objects.requireNonNull(peakBytes.get(policy));
    }

    long fitting(RecomputePolicy policy) {
      return Objects.requireNonNull(frames.get(policy));
    }

    double keepOverTiled() {
      return (double) peak(RecomputePolicy.KEEP) / peak(RecomputePolicy.RECOMPUTE_TILED);
    }
  }

  Map<String, @Nullable Object> toJson() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("frames", frames);
    json.put("text", text);
    json.put("ranks", ranks);
    json.put("dtype", dtype.toString());
    json.put("tileRows", tileRows);
    json.put("fitGiB", fit);
    json.put("rows", rows.stream().map(MemoryReport::toJson).toList());
    return json;
  }

  private static Map<String, @Nullable Object> toJson(Row row) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("model", row.model());
    json.put("layers", row.layers());
    json.put("weightBytes", row.weightBytes());
    json.put("gradientBytes", row.gradientBytes());
    json.put("peakBytes", byPolicy(row.peakBytes()));
    json.put("keepOverTiled", row.keepOverTiled());
    json.put("framesThatFit", byPolicy(row.frames()));
    return json;
  }

  private static Map<String, Long> byPolicy(Map<RecomputePolicy, Long> values) {
    Map<String, Long> named = new LinkedHashMap<>();
    values.forEach((policy, value) -> named.put(policy.name(), value));
    return named;
  }

  String toText() {
    return String.format(
            Locale.ROOT,
            "Training the cross-attention layers: %,d frames, %,d text tokens, %d ranks, %s%n%n",
            frames,
            text,
            ranks,
            dtype)
        + peaks()
        + "\n"
        + "  Rank with the most memory: features, their gradient, keys and values, text rows;"
        + " weights and\n"
        + "  their gradients are not included.\n\n"
        + String.format(
            Locale.ROOT, "Frames that fit into %s GiB per rank in addition to these%n%n", fit)
        + fitting();
  }

  private String peaks() {
    Table table =
        new Table(
            "model",
            "layers",
            "weights",
            "gradients",
            "KEEP",
            "RECOMPUTE",
            "RECOMPUTE_TILED",
            "KEEP : TILED");
    for (Row row : rows) {
      table.row(
          row.model(),
          String.valueOf(row.layers()),
          Units.bytes(row.weightBytes()),
          Units.bytes(row.gradientBytes()),
          Units.bytes(row.peak(RecomputePolicy.KEEP)),
          Units.bytes(row.peak(RecomputePolicy.RECOMPUTE)),
          Units.bytes(row.peak(RecomputePolicy.RECOMPUTE_TILED)),
          String.format(Locale.ROOT, "%.2f", row.keepOverTiled()));
    }
    return table.toString();
  }

  private String fitting() {
    Table table = new Table("model", "KEEP", "RECOMPUTE", "RECOMPUTE_TILED", "TILED : KEEP");
    for (Row row : rows) {
      long keep = row.fitting(RecomputePolicy.KEEP);
      long tiled = row.fitting(RecomputePolicy.RECOMPUTE_TILED);
      table.row(
          row.model(),
          String.format(Locale.ROOT, "%,d", keep),
          String.format(Locale.ROOT, "%,d", row.fitting(RecomputePolicy.RECOMPUTE)),
          String.format(Locale.ROOT, "%,d", tiled),
          keep == 0 ? "-" : String.format(Locale.ROOT, "%.2f", (double) tiled / keep));
    }
    return table.toString();
  }
}
