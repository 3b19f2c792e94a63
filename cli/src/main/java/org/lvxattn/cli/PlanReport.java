// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Pass;
import org.lvxattn.cli.output.BarChart;
import org.lvxattn.cli.output.Table;
import org.lvxattn.cli.output.Units;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.plan.Plan;
import org.lvxattn.plan.StrategyPlan;
import org.lvxattn.plan.Topology;

/** The report of {@code lvx plan}: one row for each strategy, the fastest first. */
record PlanReport(
    AttentionShape shape, DType dtype, Pass pass, int ranks, Topology topology, Plan plan) {
  Map<String, @Nullable Object> toJson() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("choice", plan.choice().name());
    json.put("shape", shape.toJson());
    json.put("dtype", dtype.toString());
    json.put("pass", passName());
    json.put("ranks", ranks);
    json.put("ranksPerNode", topology.ranksPerNode());
    json.put("rows", plan.rows().stream().map(PlanReport::toJson).toList());
    return json;
  }

  private String passName() {
    return pass == Pass.BOTH ? "forward+backward" : "forward";
  }

  private static Map<String, @Nullable Object> toJson(StrategyPlan row) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("strategy", row.strategy().name());
    json.put("status", row.isSupported() ? "ok" : "unsupported");
    json.put("reason", row.obstacle());
    if (row.isSupported()) {
      json.put("bytesPerRank", row.busiestBytes());
      json.put("messagesPerRank", row.busiestMessages());
      json.put("interNodeBytesPerRank", row.busiestInterNodeBytes());
      json.put("seconds", row.seconds());
      json.put("computeSeconds", row.computeSeconds());
      json.put("exposedSeconds", row.exposedSeconds());
      json.put("hiddenSeconds", row.hiddenSeconds());
      json.put("peakBytes", row.peakBytes());
    }
    return json;
  }

  String toText() {
    Table table =
        new Table("strategy", "time", "compute", "waiting", "sent", "between nodes", "workspace");
    for (StrategyPlan row : plan.rows()) {
      if (row.isSupported()) {
        table.row(
            row.strategy().name(),
            Units.seconds(row.seconds()),
            Units.seconds(row.computeSeconds()),
            Units.seconds(row.exposedSeconds()),
            Units.bytes(row.busiestBytes()),
            Units.bytes(row.busiestInterNodeBytes()),
            Units.bytes(row.peakBytes()));
      } else {
        table.row(row.strategy().name(), "-", "-", "-", "-", "-", "-");
      }
    }
    StringBuilder text =
        new StringBuilder(
            String.format(
                Locale.ROOT,
                "Planned cross-attention, %s: %,d queries, %,d keys, %d ranks, %d per node%n%n",
                passName(),
                shape.queries(),
                shape.keys(),
                ranks,
                topology.ranksPerNode()));
    text.append(table);
    for (StrategyPlan row : plan.rows()) {
      if (!row.isSupported()) {
        text.append("\n  ").append(row.strategy()).append(": ").append(row.obstacle());
      }
    }
    return text + "\n  Each column is of the busiest rank. Choice: " + plan.choice() + '\n';
  }

  BarChart chart() {
    List<StrategyPlan> rows = plan.rows().stream().filter(StrategyPlan::isSupported).toList();
    BarChart chart =
        new BarChart(
            "Planned time by strategy",
            rows.stream().map(row -> row.strategy().name()).toList(),
            "seconds");
    chart.series("time", rows.stream().map(StrategyPlan::seconds).toList());
    chart.series("computing", rows.stream().map(StrategyPlan::computeSeconds).toList());
    chart.series("waiting", rows.stream().map(StrategyPlan::exposedSeconds).toList());
    return chart;
  }
}
