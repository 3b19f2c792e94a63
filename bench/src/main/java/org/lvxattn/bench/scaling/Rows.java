// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.scaling;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Pass;
import org.lvxattn.Strategy;
import org.lvxattn.bench.Quantiles;
import org.lvxattn.bench.scaling.Measurement.Round;
import org.lvxattn.cli.output.Json;
import org.lvxattn.oracle.JsonReader;
import org.lvxattn.plan.Machine;
import org.lvxattn.plan.Plan;
import org.lvxattn.plan.Planner;
import org.lvxattn.plan.StrategyPlan;
import org.lvxattn.plan.Topology;

/** Creates rows from a measurement and a plan, and reads and writes them. */
final class Rows {
  private Rows() {}

  /** Rows of a measurement over links of a topology, beside the plan for them. */
  static List<Row> of(String series, Point point, Topology topology, Measurement measured) {
    Strategy choice =
        new Planner(measured.machine(), topology).plan(point.problem(), Pass.BOTH).choice();
    double bandwidth = topology.inter().bytesPerSecond();
    List<Row> rows = new ArrayList<>();
    measured
        .timings()
        .forEach(
            (strategy, timing) -> {
              double[] seconds = timing.all(Round::seconds);
              Machine machine = timing.machine();
              StrategyPlan plan =
                  new Planner(machine, topology).plan(point.problem(), Pass.BOTH).row(strategy);
              rows.add(
                  new Row(
                      series,
                      point.ranks(),
                      point.sizes().toString(),
                      point.dtype().toString(),
                      (double) point.sizes().keys() / point.sizes().queries(),
                      bandwidth,
                      Measurement.rate(machine, point) / bandwidth,
                      strategy,
                      Quantiles.median(seconds),
                      Quantiles.of(0, seconds),
                      Quantiles.of(1, seconds),
                      plan.seconds(),
                      Quantiles.median(timing.all(Round::computeSeconds)),
                      plan.linkSeconds(),
                      Quantiles.median(timing.all(Round::exposedSeconds)),
                      plan.exposedSeconds(),
                      strategy == choice));
            });
    return rows;
  }

  /** The strategies that can serve the point. */
  static List<Strategy> served(List<Strategy> strategies, Point point, Topology topology) {
    // This depends on the problem only, not on the machine's speed.
    Plan plan = new Planner(Machine.ofRate(1), topology).plan(point.problem(), Pass.BOTH);
    return plan.rows().stream()
        .filter(StrategyPlan::isSupported)
        .map(StrategyPlan::strategy)
        .filter(strategies::contains)
        .sorted()
        .toList();
  }

  static void write(List<Row> rows, Path file) throws IOException {
    Map<String, Object> json = Map.of("rows", rows.stream().map(Row::toJson).toList());
    Files.writeString(file, Json.write(json) + "\n");
  }

  static List<Row> read(Path file) throws IOException {
    Map<String, @Nullable Object> json = JsonReader.readObject(Files.readString(file));
    if (!(json.get("rows") instanceof List<?> list)) {
      throw new IOException(file + " holds no rows");
    }
    List<Row> rows = new ArrayList<>();
    for (Object row : list) {
      if (!(row instanceof Map<?, ?> map)) {
        throw new IOException(file + " holds a row that is no object");
      }
      rows.add(Row.fromJson(map));
    }
    return rows;
  }
}
