// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.cli.output.BarChart;
import org.lvxattn.cli.output.Table;
import org.lvxattn.cli.output.Units;
import org.lvxattn.cli.workload.RankCost;
import org.lvxattn.plan.Plan;
import org.lvxattn.plan.StrategyPlan;

/** The report of {@code lvx compare}: one row for each strategy, in the order of the plan. */
record CompareReport(Plan plan, List<Row> rows) {
  /** One strategy; {@code failure} is the message of its failure, or null. */
  record Row(StrategyPlan planned, RunReport run, @Nullable String failure) {
    String status() {
      if (!planned.isSupported()) {
        return "unsupported";
      }
      return failure == null && run.passed() ? "ok" : "failed";
    }

    @Nullable String reason() {
      if (!planned.isSupported()) {
        return planned.obstacle();
      }
      return failure != null || run.passed() ? failure : "errors beyond their bounds";
    }

    boolean isOk() {
      return status().equals("ok");
    }

    String name() {
      return planned.strategy().name();
    }

    private Map<String, @Nullable Object> toJson() {
      Map<String, @Nullable Object> json = new LinkedHashMap<>(run.toJson());
      if (!isOk()) {
        json.remove("seconds");
        json.remove("perRank");
      }
      json.put("status", status());
      json.put("reason", reason());
      json.put("plannedSeconds", planned.seconds());
      json.put("plannedExposedSeconds", planned.exposedSeconds());
      return json;
    }

    private long busiestBytes() {
      return run.outcome().ranks().stream().mapToLong(RankCost::bytesSent).max().orElse(0);
    }

    private double longestWait() {
      return run.outcome().ranks().stream()
          .mapToDouble(RankCost::exposedWaitSeconds)
          .max()
          .orElse(0);
    }
  }

  /** Whether no strategy failed; a strategy that cannot serve the job does not count as failed. */
  boolean passed() {
    return rows.stream().noneMatch(row -> row.status().equals("failed"));
  }

  Map<String, @Nullable Object> toJson() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("choice", plan.choice().name());
    json.put("rows", rows.stream().map(Row::toJson).toList());
    return json;
  }

  String toText() {
    Table table = new Table("strategy", "time", "planned", "sent", "waiting", "status");
    for (Row row : rows) {
      boolean ok = row.isOk();
      table.row(
          row.name(),
          ok ? Units.seconds(row.run().outcome().seconds()) : "-",
          row.planned().isSupported() ? Units.seconds(row.planned().seconds()) : "-",
          ok ? Units.bytes(row.busiestBytes()) : "-",
          ok ? Units.seconds(row.longestWait()) : "-",
          row.status());
    }
    StringBuilder text = new StringBuilder(table.toString());
    for (Row row : rows) {
      if (row.reason() != null) {
        text.append("\n  ").append(row.name()).append(": ").append(row.reason());
      }
    }
    return text + "\n  The plan's choice: " + plan.choice() + '\n';
  }

  /** Times of the strategies that ran. */
  BarChart chart() {
    List<Row> ran = rows.stream().filter(Row::isOk).toList();
    BarChart chart =
        new BarChart("Time by strategy", ran.stream().map(Row::name).toList(), "seconds");
    if (!ran.isEmpty()) {
      chart.series("measured", ran.stream().map(row -> row.run().outcome().seconds()).toList());
      chart.series("planned", ran.stream().map(row -> row.planned().seconds()).toList());
    }
    return chart;
  }
}
