// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.lvxattn.cli.output.Json;
import org.lvxattn.cli.output.Progress;
import org.lvxattn.cli.output.Table;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Finds performance regressions: times two builds of this library in alternation. */
@Command(
    name = "compare-builds",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Times two builds of this library in turns. Nothing is compared with times of another day.",
      "A case in which B looks slower is measured once more, with twice the rounds, and that"
          + " counts.",
      "Exit code 1: some case of B takes more than --threshold times A's time."
    })
public final class CompareBuilds implements Callable<Integer> {
  @Parameters(index = "0", paramLabel = "A", description = "A revision, or a folder of sources.")
  private String first = "";

  @Parameters(index = "1", paramLabel = "B", description = "Likewise, the newer.")
  private String second = "";

  @Option(names = "--worker-a", required = true, hidden = true, description = "A's command.")
  private String firstWorker = "";

  @Option(names = "--worker-b", required = true, hidden = true, description = "B's command.")
  private String secondWorker = "";

  @Mixin private final DuelOptions options = new DuelOptions();

  @Option(
      names = "--threshold",
      paramLabel = "X",
      description = "Largest ratio of medians B / A that is accepted (default: ${DEFAULT-VALUE}).",
      defaultValue = "1.10")
  private double threshold;

  @Option(names = "--json", paramLabel = "FILE", description = "Write the rows as JSON.")
  private @Nullable Path json;

  public static void main(String[] arguments) {
    System.exit(new CommandLine(new CompareBuilds()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    List<Case> cases = options.cases();
    Map<Case, PairedTiming> timings = new LinkedHashMap<>();
    try (Worker a = JavaWorker.of("A (" + first + ")", firstWorker, options.threads);
        Worker b = JavaWorker.of("B (" + second + ")", secondWorker, options.threads);
        Progress progress = Progress.of("compare-builds", cases.size())) {
      for (Case what : cases) {
        progress.doing(what.toString());
        PairedTiming timing = PairedTiming.measure(what, a, b, options.rounds);
        if (isSlower(timing)) { // noise rarely repeats
          timing = PairedTiming.measure(what, a, b, 2 * options.rounds);
        }
        timings.put(what, timing);
        progress.step();
      }
    }
    Table table = new Table("", "A", "B", "B/A", "quartiles", "");
    timings.forEach(
        (what, timing) ->
            table.row(
                what.toString(),
                String.format(Locale.ROOT, "%.2f ms", timing.first() * 1e3),
                String.format(Locale.ROOT, "%.2f ms", timing.second() * 1e3),
                String.format(Locale.ROOT, "%.3f", timing.ratio()),
                String.format(Locale.ROOT, "%.3f-%.3f", timing.lowRatio(), timing.highRatio()),
                isSlower(timing) ? "SLOWER" : "ok"));
    System.out.print(
        String.format(
                Locale.ROOT,
                "A = %s, B = %s: medians of %d rounds in turns, %d threads, at most %.2f"
                    + " accepted%n%n",
                first,
                second,
                options.rounds,
                options.threads,
                threshold)
            + table);
    if (json != null) {
      Files.writeString(json, Json.write(toJson(timings)) + "\n");
    }
    return timings.values().stream().anyMatch(this::isSlower) ? 1 : 0;
  }

  private boolean isSlower(PairedTiming timing) {
    return timing.ratio() > threshold;
  }

  private Map<String, Object> toJson(Map<Case, PairedTiming> timings) {
    List<Map<String, Object>> rows =
        timings.entrySet().stream()
            .map(
                entry -> {
                  Case what = entry.getKey();
                  PairedTiming timing = entry.getValue();
                  Map<String, Object> row = new LinkedHashMap<>();
                  row.put("shape", what.shape().word());
                  row.put("pass", what.pass());
                  row.put("dtype", what.dtype());
                  row.put("ratio", timing.ratio());
                  row.put("ratioQuartiles", List.of(timing.lowRatio(), timing.highRatio()));
                  row.put("slower", isSlower(timing));
                  return row;
                })
            .toList();
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("a", first);
    all.put("b", second);
    all.put("threshold", threshold);
    all.put("rows", rows);
    return all;
  }
}
