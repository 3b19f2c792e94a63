// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.scaling;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.lvxattn.CpuOptions;
import org.lvxattn.Device;
import org.lvxattn.Strategy;
import org.lvxattn.group.Calibration;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.plan.Topology;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * One process of a sweep over real links: a rank of the group that its environment variables
 * describe. It measures the links first; rank 0 writes the rows.
 */
@Command(name = "process-rank", mixinStandardHelpOptions = true, sortOptions = false)
public final class ProcessRank implements Callable<Integer> {
  private static final Duration TIMEOUT = Duration.ofMinutes(5);
  private static final List<Long> KEYS = List.of(512L, 2048L, 8192L);
  private static final long QUERIES = 64;

  @Mixin private final SweepOptions options = new SweepOptions();

  @Option(names = "--series", required = true, description = "Description of the links.")
  private String series = "";

  @Option(names = "--out", required = true, description = "File for the rows.")
  private Path out = Path.of("");

  public static void main(String[] arguments) {
    System.exit(
        new CommandLine(new ProcessRank())
            .setCaseInsensitiveEnumValuesAllowed(true)
            .execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    GroupOptions group = GroupOptions.builder().timeout(TIMEOUT).ranksPerNode(1).build();
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Group all = Group.fromEnvironment(device, group)) {
      Topology topology = Calibration.topology(all, 1, false);
      List<Row> rows = new ArrayList<>();
      for (long keys : Objects.requireNonNullElse(options.keys, KEYS)) {
        Point point =
            options.point(all.size(), Objects.requireNonNullElse(options.queries, QUERIES), keys);
        List<Strategy> strategies =
            Rows.served(
                Objects.requireNonNullElse(options.strategies, List.of(Strategy.values())),
                point,
                topology);
        Measurement measured =
            Measurement.of(
                all,
                point,
                strategies,
                Objects.requireNonNullElse(options.warmUps, 1),
                Objects.requireNonNullElse(options.rounds, 2));
        rows.addAll(Rows.of(series, point, topology, measured));
      }
      if (all.rank() == 0) {
        Rows.write(rows, out);
      }
    }
    return 0;
  }
}
