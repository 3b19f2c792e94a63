// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

/** Our kernels beside PyTorch's scaled_dot_product_attention. */
@Command(
    name = "torch",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Times our attention and PyTorch's scaled_dot_product_attention in turns, and this machine's"
          + " matrix product and memory between them.",
      "Ratios are what to read: the machine's speed changes from minute to minute."
    })
public final class TorchPeer implements Callable<Integer> {
  @Mixin private final DuelOptions options = new DuelOptions();

  @Option(
      names = "--worker",
      required = true,
      hidden = true,
      description = "Command of PyTorch's side, in parts.")
  private List<String> worker = List.of();

  @Option(names = "--json", paramLabel = "FILE", description = "Write the rows as JSON.")
  private @Nullable Path json;

  private record Row(Case what, PairedTiming timing, double bytes) {
    double gemmShare() {
      return what.flops() / timing.first() / timing.rates().gemmFlops();
    }

    double readShare() {
      return bytes / timing.first() / timing.rates().readBytes();
    }

    Map<String, Object> toJson() {
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("shape", what.shape().word());
      row.put("sizes", what.shape().sizes().toString());
      row.put("pass", what.pass());
      row.put("dtype", what.dtype());
      row.put("oursSeconds", timing.first());
      row.put("torchSeconds", timing.second());
      row.put("ratio", timing.ratio());
      row.put("ratioQuartiles", List.of(timing.lowRatio(), timing.highRatio()));
      row.put("gemmShare", gemmShare());
      row.put("readShare", readShare());
      row.put("gemmGflops", timing.rates().gemmFlops() * 1e-9);
      row.put("readGigabytesPerSecond", timing.rates().readBytes() * 1e-9);
      return row;
    }
  }

  public static void main(String[] arguments) {
    System.exit(new CommandLine(new TorchPeer()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    List<Case> cases = options.cases();
    List<Row> rows = new ArrayList<>();
    List<String> command = new ArrayList<>(worker);
    command.add(String.valueOf(options.threads));
    String version;
    try (Worker ours = JavaWorker.ofThisBuild("lvxattn", options.threads);
        Worker torch = new Worker("torch", command);
        Progress progress = Progress.of("torch", cases.size())) {
      version = torch.ask("version");
      for (Case what : cases) {
        progress.doing(what.toString());
        rows.add(
            new Row(what, PairedTiming.measure(what, ours, torch, options.rounds), ours.bytes()));
        progress.step();
      }
    }
    System.out.print(text(version, rows));
    if (json != null) {
      Map<String, Object> all = new LinkedHashMap<>();
      all.put("torch", version);
      all.put("threads", options.threads);
      all.put("rounds", options.rounds);
      all.put("rows", rows.stream().map(Row::toJson).toList());
      Files.writeString(json, Json.write(all) + "\n");
    }
    return 0;
  }

  private String text(String version, List<Row> rows) {
    Table table =
        new Table("", "ours", "torch", "torch/ours", "quartiles", "of GEMM rate", "of read rate");
    for (Row row : rows) {
      PairedTiming timing = row.timing();
      table.row(
          row.what().toString(),
          String.format(Locale.ROOT, "%.2f ms", timing.first() * 1e3),
          String.format(Locale.ROOT, "%.2f ms", timing.second() * 1e3),
          String.format(Locale.ROOT, "%.2f", timing.ratio()),
          String.format(Locale.ROOT, "%.2f-%.2f", timing.lowRatio(), timing.highRatio()),
          String.format(Locale.ROOT, "%.0f %%", 100 * row.gemmShare()),
          String.format(Locale.ROOT, "%.0f %%", 100 * row.readShare()));
    }
    return String.format(
            Locale.ROOT,
            "Medians of %d rounds in turns, %d threads, torch %s. Rates: float32 matrix product,"
                + " and reading memory once for all inputs and results, in the same rounds.%n%n",
            options.rounds,
            options.threads,
            version)
        + table;
  }
}
