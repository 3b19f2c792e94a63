// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.scaling;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.lvxattn.Strategy;
import org.lvxattn.cli.output.Table;

/** All rows of a sweep, as a table, JSON and charts. */
final class Report {
  private static final Strategy BASELINE = Strategy.KV_RING;

  private final List<Row> rows;

  Report(List<Row> rows) {
    this.rows = List.copyOf(rows);
  }

  String table() {
    Table table =
        new Table(
            "",
            "keys/query",
            "FLOP/byte",
            "time",
            "spread",
            "plan",
            "time/plan",
            "time/bound",
            "exposed",
            "planned",
            "speed-up",
            "");
    for (Row row : rows) {
      table.row(
          row.series() + " " + row.strategy(),
          String.format(Locale.ROOT, "%.0f", row.keysPerQuery()),
          String.format(Locale.ROOT, "%.0f", row.flopsPerByte()),
          String.format(Locale.ROOT, "%.3f s", row.seconds()),
          String.format(Locale.ROOT, "%.3f-%.3f", row.lowSeconds(), row.highSeconds()),
          String.format(Locale.ROOT, "%.3f s", row.plannedSeconds()),
          String.format(Locale.ROOT, "%.2f", row.overPlan()),
          String.format(Locale.ROOT, "%.2f", row.overBound()),
          String.format(Locale.ROOT, "%.0f %%", 100 * row.exposedSeconds() / row.seconds()),
          String.format(
              Locale.ROOT, "%.0f %%", 100 * row.plannedExposedSeconds() / row.plannedSeconds()),
          speedUp(row, Row::seconds).isPresent()
              ? String.format(Locale.ROOT, "%.2f", speedUp(row, Row::seconds).getAsDouble())
              : "-",
          row.chosen() ? choice(row) : "");
    }
    return table.toString();
  }

  /** How much slower the planner's choice is than the fastest strategy. */
  private String choice(Row chosen) {
    double best = peers(chosen).stream().mapToDouble(Row::seconds).min().orElseThrow();
    return String.format(Locale.ROOT, "planned choice: %.2f of the best", chosen.seconds() / best);
  }

  /** The speed-up over the baseline at the same point, if the baseline was measured. */
  private OptionalDouble speedUp(Row row, ToDoubleFunction<Row> seconds) {
    return peers(row).stream()
        .filter(peer -> peer.strategy() == BASELINE)
        .mapToDouble(peer -> seconds.applyAsDouble(peer) / seconds.applyAsDouble(row))
        .findFirst();
  }

  /** The rows of the same point. */
  private List<Row> peers(Row row) {
    return rows.stream()
        .filter(
            other ->
                other.series().equals(row.series())
                    && other.sizes().equals(row.sizes())
                    && other.dtype().equals(row.dtype())
                    && other.ranks() == row.ranks())
        .toList();
  }

  /** Writes rows.json, and for each series a chart of times and one of speed-ups (SVG and PNG). */
  void write(Path folder) throws IOException {
    Files.createDirectories(folder);
    Rows.write(rows, folder.resolve("rows.json"));
    Map<String, List<Row>> bySeries =
        rows.stream()
            .collect(Collectors.groupingBy(Row::series, LinkedHashMap::new, Collectors.toList()));
    for (Map.Entry<String, List<Row>> series : bySeries.entrySet()) {
      String suffix = series.getKey().replaceAll("[^A-Za-z0-9]+", "-");
      chart(series, "forward + backward, seconds", false).write(folder, "time-" + suffix);
      if (series.getValue().stream().anyMatch(row -> row.strategy() == BASELINE)) {
        chart(series, "times as fast as " + BASELINE, true).write(folder, "speedup-" + suffix);
      }
    }
  }

  private SweepChart chart(Map.Entry<String, List<Row>> series, String axis, boolean asSpeedUp) {
    SweepChart chart = new SweepChart(series.getKey(), "keys per query", axis);
    Map<Strategy, List<Row>> byStrategy =
        series.getValue().stream()
            .sorted(Comparator.comparing(Row::strategy).thenComparingDouble(Row::keysPerQuery))
            .collect(Collectors.groupingBy(Row::strategy, LinkedHashMap::new, Collectors.toList()));
    byStrategy.forEach(
        (strategy, line) -> {
          List<Double> x = new ArrayList<>();
          List<Double> measured = new ArrayList<>();
          List<Double> planned = new ArrayList<>();
          for (Row row : line) {
            x.add(row.keysPerQuery());
            measured.add(value(row, Row::seconds, asSpeedUp));
            planned.add(value(row, Row::plannedSeconds, asSpeedUp));
          }
          chart.line(strategy.name(), x, measured, planned);
        });
    return chart;
  }

  private double value(Row row, ToDoubleFunction<Row> seconds, boolean asSpeedUp) {
    return asSpeedUp ? speedUp(row, seconds).orElse(Double.NaN) : seconds.applyAsDouble(row);
  }
}
