// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.scaling;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Strategy;
import org.lvxattn.bench.RankPool;
import org.lvxattn.cli.output.Progress;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LinkEmulation;
import org.lvxattn.plan.Link;
import org.lvxattn.plan.Machine;
import org.lvxattn.plan.Topology;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Every strategy over a local group with emulated links and virtual time. */
@Command(
    name = "emulated",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Sweeps keys per query and bandwidth over local ranks with emulated links: forward plus"
          + " backward by every strategy, in turns, beside the planner's prediction.",
      "A rank's clock counts its processor time and its emulated transfers, so that there may be"
          + " more ranks than processors. Bandwidths follow from the ratio --flops-per-byte and the"
          + " rate of the kernels, measured first.",
      "Without options a small sweep of a minute or two; --full takes the ratios and sizes of large"
          + " machines, --ranks one of its two sweeps, and needs some 10 GB of memory."
    })
public final class Emulated implements Callable<Integer> {
  /** Timeout in real time: ranks wait while other ranks use the processors. */
  private static final Duration TIMEOUT = Duration.ofHours(1);

  private static final double LATENCY_SECONDS = 5e-6;

  @Mixin private final SweepOptions options = new SweepOptions();

  @Option(names = "--full", description = "The large sweeps instead of the small ones.")
  private boolean full;

  @Option(names = "--ranks", paramLabel = "N", description = "Only the sweeps over N ranks.")
  private @Nullable Integer ranks;

  @Option(
      names = "--flops-per-byte",
      paramLabel = "X",
      description = "FLOP that a rank computes in the time its link carries a byte.")
  private @Nullable Double flopsPerByte;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description = "Folder for rows.json and the charts.")
  private Path out = Path.of("");

  /** A sweep of keys over one group; the bandwidth is given relative to a rank's compute rate. */
  private record Sweep(int ranks, double flopsPerByte, long queries, List<Long> keys) {
    String series() {
      return ranks + " ranks, " + Math.round(flopsPerByte) + " FLOP per byte";
    }
  }

  /** Default settings of a set of sweeps. */
  private record Preset(List<Sweep> sweeps, List<Strategy> strategies, int warmUps, int rounds) {}

  private static final Preset SMALL =
      new Preset(
          List.of(
              new Sweep(8, 600, 256, List.of(256L, 1024L, 4096L, 16384L)),
              new Sweep(8, 6000, 256, List.of(256L, 1024L, 4096L, 16384L))),
          List.of(Strategy.values()),
          1,
          3);

  /**
   * At 16 ranks, in float32, compute hides the transfer of queries from about 12,000 keys per rank
   * on. Long calls need neither a warm-up nor many rounds.
   */
  private static final Preset FULL =
      new Preset(
          List.of(
              new Sweep(16, 6000, 1024, List.of(65536L, 131072L, 212992L)),
              new Sweep(8, 48000, 1024, List.of(131072L, 262144L))),
          List.of(Strategy.QUERY_RING, Strategy.KV_RING),
          0,
          1);

  public static void main(String[] arguments) {
    System.exit(
        new CommandLine(new Emulated())
            .setCaseInsensitiveEnumValuesAllowed(true)
            .setOverwrittenOptionsAllowed(true)
            .execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    List<Sweep> sweeps = sweeps();
    List<Row> rows = new ArrayList<>();
    int steps = sweeps.stream().mapToInt(sweep -> sweep.keys().size()).sum();
    try (Progress progress = Progress.of("emulated", steps)) {
      for (Sweep sweep : sweeps) {
        progress.doing(sweep.series());
        Link link = link(sweep);
        for (long keys : sweep.keys()) {
          rows.addAll(measure(sweep, options.point(sweep.ranks(), sweep.queries(), keys), link));
          progress.step();
        }
      }
    }
    Report report = new Report(rows);
    System.out.print(report.table());
    report.write(out);
    System.out.println("\nRows and charts: " + out);
    return 0;
  }

  private Preset preset() {
    return full ? FULL : SMALL;
  }

  /** The preset's sweeps, with the options' changes. */
  private List<Sweep> sweeps() {
    List<Sweep> sweeps = new ArrayList<>();
    for (Sweep sweep : preset().sweeps()) {
      if (ranks != null && flopsPerByte == null && sweep.ranks() != ranks) {
        continue;
      }
      sweeps.add(
          new Sweep(
              Objects.requireNonNullElse(ranks, sweep.ranks()),
              Objects.requireNonNullElse(flopsPerByte, sweep.flopsPerByte()),
              Objects.requireNonNullElse(options.queries, sweep.queries()),
              Objects.requireNonNullElse(options.keys, sweep.keys())));
    }
    if (sweeps.isEmpty()) {
      throw new IllegalArgumentException(
          "no sweep is over " + ranks + " ranks; name --flops-per-byte as well to make one");
    }
    // If options override everything in which the sweeps differ, they become equal.
    return sweeps.stream().distinct().toList();
  }

  private static RankPool pool(int ranks, Link link) {
    GroupOptions group = GroupOptions.builder().timeout(TIMEOUT).build();
    LinkEmulation emulation =
        LinkEmulation.builder().intra(link).inter(link).virtualTime(true).build();
    return new RankPool(ranks, 1, group, emulation);
  }

  /** The link that carries one byte in the time of the sweep's FLOP per byte. */
  private Link link(Sweep sweep) {
    Point longest = options.point(sweep.ranks(), sweep.queries(), sweep.keys().getLast());
    try (RankPool pool = pool(sweep.ranks(), Link.INSTANT)) {
      Machine machine = pool.each(group -> Measurement.rates(group, longest)).getFirst();
      double rate = Measurement.rate(machine, longest);
      return new Link(rate / sweep.flopsPerByte(), LATENCY_SECONDS);
    }
  }

  private List<Row> measure(Sweep sweep, Point point, Link link) {
    Topology topology = Topology.oneNode(link);
    List<Strategy> strategies =
        Rows.served(
            Objects.requireNonNullElse(options.strategies, preset().strategies()), point, topology);
    int warmUps = Objects.requireNonNullElse(options.warmUps, preset().warmUps());
    int rounds = Objects.requireNonNullElse(options.rounds, preset().rounds());
    try (RankPool pool = pool(sweep.ranks(), link)) {
      Measurement measured =
          pool.each(group -> Measurement.of(group, point, strategies, warmUps, rounds)).getFirst();
      return Rows.of(sweep.series(), point, topology, measured);
    }
  }
}
