// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.cli.output.Table;
import org.lvxattn.cli.output.Units;
import org.lvxattn.cli.workload.LocalRun;
import org.lvxattn.cli.workload.RankCost;
import org.lvxattn.cli.workload.RingAttention;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Bounds;
import org.lvxattn.oracle.Split;

/** The report of {@code lvx run}, as JSON or text. Errors are empty if nothing was checked. */
record RunReport(
    @Nullable String model,
    @Nullable Path video,
    AttentionShape shape,
    Strategy strategy,
    String group,
    String device,
    DType dtype,
    boolean backward,
    Split keys,
    LocalRun.Outcome outcome,
    Map<String, Double> errors) {

  static RunReport of(
      JobOptions job,
      AttentionShape shape,
      Strategy strategy,
      Split keys,
      LocalRun.Outcome outcome,
      Map<String, Double> errors) {
    return new RunReport(
        job.sizes.modelName(),
        job.video,
        shape,
        strategy,
        job.group,
        job.device().word(),
        job.dtype,
        job.backward(),
        keys,
        outcome,
        errors);
  }

  /** Whether every error is within its bound. */
  boolean passed() {
    return errors.entrySet().stream().allMatch(e -> e.getValue() <= bound(e.getKey()));
  }

  private double bound(String tensor) {
    return Bounds.of(dtype, tensor, false);
  }

  private String pass() {
    return backward ? "forward+backward" : "forward";
  }

  Map<String, @Nullable Object> toJson() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("model", model);
    json.put("strategy", strategy.name());
    json.put("ranks", keys.ranks());
    json.put("group", group);
    json.put("device", device);
    json.put("dtype", dtype.toString());
    json.put("pass", pass());
    json.put("shape", shape.toJson());
    json.put("seconds", outcome.seconds());
    json.put("perRank", outcome.ranks().stream().map(RankCost::toJson).toList());
    json.put("ringAttentionBytes", ringBytes());
    if (!errors.isEmpty()) {
      json.put("maxError", errors);
    }
    return json;
  }

  String toText() {
    return what() + '\n' + ranks() + '\n' + exactness() + '\n' + summary();
  }

  private String what() {
    StringBuilder text = new StringBuilder("Exact cross-attention, " + pass() + "\n\n");
    line(text, "model", model == null ? "none, sizes as given" : model + ", one layer");
    line(
        text,
        "queries",
        count(shape.queries())
            + " text tokens x "
            + shape.queryHeads()
            + " heads of "
            + shape.headDim()
            + batch());
    line(
        text,
        "keys, values",
        count(shape.keys())
            + " visual tokens x "
            + shape.keyHeads()
            + " heads of "
            + shape.headDim()
            + batch()
            + (video == null ? ", random" : ", from " + video));
    line(text, "dtype", dtype + ", accumulated in " + dtype.accumulator());
    line(text, "ranks", keys.ranks() + " (" + group + ", " + device + ")");
    Strategy ran = outcome.ranks().stream().findFirst().map(RankCost::ran).orElse(strategy);
    String choice = strategy == ran ? "" : strategy + ", here ";
    line(text, "strategy", choice + ran + ": " + whatMoves(ran));
    return text.toString();
  }

  private static String whatMoves(Strategy ran) {
    return switch (ran) {
      case AUTO -> "whatever is cheapest";
      case QUERY_RING -> "queries travel around the ring, keys and values stay";
      case QUERY_GATHER -> "queries go to all ranks at once, keys and values stay";
      case KV_RING -> "keys and values travel around the ring";
      case KV_GATHER -> "keys and values go to all ranks at once";
      case HEAD_ALL_TO_ALL -> "heads are exchanged for sequence";
      case TWO_LEVEL -> "queries enter each node once, keys and values stay";
    };
  }

  private String batch() {
    return shape.batch() == 1 ? "" : ", batch of " + shape.batch();
  }

  private static void line(StringBuilder text, String name, String value) {
    text.append(String.format(Locale.ROOT, "  %-13s %s%n", name, value));
  }

  private String ranks() {
    Table table =
        new Table("rank", "queries", "keys", "sent", "messages", "compute", "waiting", "workspace");
    for (RankCost cost : outcome.ranks()) {
      table.row(
          String.valueOf(cost.rank()),
          count(cost.queries()),
          count(cost.keys()),
          Units.bytes(cost.bytesSent()),
          count(cost.messagesSent()),
          Units.seconds(cost.computeSeconds()),
          Units.seconds(cost.exposedWaitSeconds()),
          Units.bytes(cost.peakBytes()));
    }
    return table.toString();
  }

  private String exactness() {
    if (errors.isEmpty()) {
      return "Not checked against the oracle (--check does).\n";
    }
    Table table = new Table("tensor", "error", "allowed", "");
    errors.forEach(
        (tensor, error) ->
            table.row(
                tensor,
                Units.error(error),
                Units.error(bound(tensor)),
                error <= bound(tensor) ? "ok" : "WRONG"));
    return "Against the float64 oracle: largest error over largest value\n\n" + table;
  }

  private String summary() {
    long sent = busiest(RankCost::bytesSent);
    long ring = ringBytes();
    StringBuilder text = new StringBuilder();
    line(
        text,
        "sent",
        Units.bytes(sent)
            + " by the busiest rank; Ring Attention would send "
            + Units.bytes(ring)
            + ratio(ring, sent));
    double flops = shape.forwardFlops() + (backward ? shape.backwardFlops() : 0);
    line(
        text,
        "time",
        Units.seconds(outcome.seconds())
            + String.format(
                Locale.ROOT,
                " (slowest rank; %.1f GFLOP/s over all)",
                flops / outcome.seconds() * 1e-9));
    line(
        text,
        "peak memory",
        Units.bytes(busiest(RankCost::deviceBytes))
            + " on the rank with the most, inputs and results included");
    if (!errors.isEmpty()) {
      line(text, "result", passed() ? "exact" : "WRONG");
    }
    return text.toString();
  }

  private static String ratio(long ring, long sent) {
    return sent == 0
        ? ""
        : String.format(Locale.ROOT, ", %.1f times as much", (double) ring / sent);
  }

  private long ringBytes() {
    return RingAttention.busiestRankBytes(shape, dtype, keys, backward);
  }

  private long busiest(ToLongFunction<RankCost> bytes) {
    return outcome.ranks().stream().mapToLong(bytes).max().orElse(0);
  }

  private static String count(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }
}
