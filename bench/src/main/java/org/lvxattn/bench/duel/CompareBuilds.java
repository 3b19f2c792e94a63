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

/** The guard against regressions: two builds of this library, side by side. */
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

  @Option(names = "--modules-a", required = true, hidden = true, description = "Module path of A.")
  private String firstModules = "";

  @Option(names = "--modules-b", required = true, hidden = true, description = "Module path of B.")
  private String secondModules = "";

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
    Map<Case, Duel> duels = new LinkedHashMap<>();
    try (Worker a = JavaWorker.of("A (" + first + ")", firstModules, options.threads);
        Worker b = JavaWorker.of("B (" + second + ")", secondModules, options.threads);
        Progress progress = Progress.of("compare-builds", cases.size())) {
      for (Case what : cases) {
        progress.doing(what.toString());
        Duel duel = Duel.fight(what, a, b, options.rounds);
        if (isSlower(duel)) { // noise seldom says the same twice
          duel = Duel.fight(what, a, b, 2 * options.rounds);
        }
        duels.put(what, duel);
        progress.step();
      }
    }
    Table table = new Table("", "A", "B", "B/A", "quartiles", "");
    duels.forEach(
        (what, duel) ->
            table.row(
                what.toString(),
                String.format(Locale.ROOT, "%.2f ms", duel.first() * 1e3),
                String.format(Locale.ROOT, "%.2f ms", duel.second() * 1e3),
                String.format(Locale.ROOT, "%.3f", duel.ratio()),
                String.format(Locale.ROOT, "%.3f-%.3f", duel.lowRatio(), duel.highRatio()),
                isSlower(duel) ? "SLOWER" : "ok"));
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
      Files.writeString(json, Json.write(toJson(duels)) + "\n");
    }
    return duels.values().stream().anyMatch(this::isSlower) ? 1 : 0;
  }

  private boolean isSlower(Duel duel) {
    return duel.ratio() > threshold;
  }

  private Map<String, Object> toJson(Map<Case, Duel> duels) {
    List<Map<String, Object>> rows =
        duels.entrySet().stream()
            .map(
                entry -> {
                  Case what = entry.getKey();
                  Duel duel = entry.getValue();
                  Map<String, Object> row = new LinkedHashMap<>();
                  row.put("shape", what.shape().word());
                  row.put("pass", what.pass());
                  row.put("dtype", what.dtype());
                  row.put("ratio", duel.ratio());
                  row.put("ratioQuartiles", List.of(duel.lowRatio(), duel.highRatio()));
                  row.put("slower", isSlower(duel));
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
