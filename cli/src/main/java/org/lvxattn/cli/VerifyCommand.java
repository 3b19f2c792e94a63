// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.cli.output.Json;
import org.lvxattn.cli.output.Progress;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.oracle.DeviceChoice;
import org.lvxattn.oracle.golden.CaseResult;
import org.lvxattn.oracle.golden.GoldenCheck;
import org.lvxattn.oracle.golden.Ranks;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code lvx verify}: compares golden cases with what this library computes. */
@Command(
    name = "verify",
    description = {
      "Recomputes golden cases over several ranks and compares every tensor in them.",
      "Sequences are split unevenly, with some empty shards; masks that can be ranges and biases"
          + " are tested as both. Whole layers run with every recomputation policy, and with cached"
          + " keys and values."
    },
    sortOptions = false)
final class VerifyCommand implements Callable<Integer> {
  private static final String SUFFIX = ".safetensors";

  @SuppressWarnings("NullAway.Init") // by picocli
  @Spec
  private CommandSpec spec;

  @Parameters(
      paramLabel = "FILE|DIR",
      arity = "1..*",
      description = "Golden cases (*.safetensors), or folders of them.")
  private List<Path> paths = List.of();

  @Option(
      names = "--ranks",
      paramLabel = "N",
      split = ",",
      converter = Positive.class,
      description =
          "Numbers of ranks (default: ${DEFAULT-VALUE}); with processes one number, or the"
              + " launcher's.")
  private List<Integer> ranks = List.of(4);

  @Option(
      names = "--strategy",
      paramLabel = "S",
      description = "What moves between ranks: QUERY_RING (default), another strategy, or all.")
  private String strategy = Strategy.QUERY_RING.name();

  @Option(
      names = "--group",
      paramLabel = "G",
      converter = Choices.GroupWord.class,
      description =
          "Backend of the group: local (default; threads), gloo (processes, started here unless"
              + " RANK is set), mpi (processes, started by mpirun) or nccl (CUDA devices, otherwise"
              + " as gloo).")
  private String group = "local";

  @Option(
      names = "--device",
      paramLabel = "D",
      converter = Choices.DeviceWord.class,
      description = Choices.DEVICE)
  private DeviceChoice device = DeviceChoice.CPU;

  @Option(
      names = "--dtype",
      paramLabel = "T",
      converter = Choices.Dtype.class,
      description = "float64, float32 (default), bfloat16 or float16.")
  private DType dtype = DType.FLOAT32;

  @Option(
      names = "--digest",
      description =
          "Also print the SHA-256 of each result tensor, as float64: two builds that print the same"
              + " compute the same bits on this processor.")
  private boolean digest;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Override
  public Integer call() throws IOException, InterruptedException {
    boolean local = group.equals("local");
    if (!local && ranks.size() > 1) {
      throw new UsageException(
          "--group "
              + group
              + " is one group of processes: expected one number of --ranks, got "
              + ranks.stream().map(String::valueOf).collect(Collectors.joining(",")));
    }
    List<Strategy> strategies = strategies();
    List<Path> files = files();
    if (local) {
      return judge(
          files, strategies, ranks.stream().map(size -> Ranks.local(size, device)).toList());
    }
    if (ProcessGroup.isToBeStarted(group, device)) {
      return LocalProcesses.run(
          ranks.getFirst(), spec.root().commandLine().getParseResult().originalArgs());
    }
    Integer asked = ProcessGroup.given(spec, "--ranks") ? ranks.getFirst() : null;
    try (ProcessGroup process = ProcessGroup.join(group, device, GroupOptions.defaults(), asked)) {
      Ranks joined = Ranks.of(process.group());
      if (process.group().rank() == 0) {
        return judge(files, strategies, List.of(joined));
      }
      assist(files, strategies, joined);
      return 0;
    }
  }

  /** Runs in a process other than rank 0's, which does not print. */
  private void assist(List<Path> files, List<Strategy> strategies, Ranks joined) {
    for (Path file : files) {
      GoldenCheck check = GoldenCheck.of(file, dtype);
      strategies.forEach(each -> check.assist(each, joined));
    }
  }

  private int judge(List<Path> files, List<Strategy> strategies, List<Ranks> sizes) {
    List<CaseResult> results = new ArrayList<>();
    long steps = (long) files.size() * strategies.size() * sizes.size();
    try (Progress progress = Progress.of("lvx verify", steps)) {
      for (Path file : files) {
        GoldenCheck check = GoldenCheck.of(file, dtype);
        progress.doing(check.name());
        for (Strategy each : strategies) {
          for (Ranks size : sizes) {
            results.add(check.run(each, size, digest));
            progress.step();
          }
        }
      }
    }
    VerifyReport report = new VerifyReport(group, device.word(), results);
    System.out.print(json ? Json.write(report.toJson()) + "\n" : report.toText());
    return report.failed() == 0 ? 0 : 1;
  }

  private List<Strategy> strategies() {
    List<Strategy> all = Strategy.schedules();
    if (strategy.equalsIgnoreCase("all")) {
      return all;
    }
    return all.stream()
        .filter(each -> each.name().equalsIgnoreCase(strategy))
        .findFirst()
        .map(List::of)
        .orElseThrow(
            () ->
                new UsageException(
                    "unknown strategy '" + strategy + "', expected all or one of " + all));
  }

  private List<Path> files() throws IOException {
    List<Path> files = new ArrayList<>();
    for (Path path : paths) {
      if (Files.isDirectory(path)) {
        try (Stream<Path> all = Files.list(path)) {
          List<Path> cases = all.filter(file -> file.toString().endsWith(SUFFIX)).sorted().toList();
          if (cases.isEmpty()) {
            throw new UsageException(path + " holds no *" + SUFFIX + " files");
          }
          files.addAll(cases);
        }
      } else if (Files.isRegularFile(path)) {
        files.add(path);
      } else {
        throw new UsageException(path + ": no such file or folder");
      }
    }
    return files;
  }
}
