// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Strategy;
import org.lvxattn.cli.output.Json;
import org.lvxattn.cli.output.Progress;
import org.lvxattn.cli.workload.LocalRun;
import org.lvxattn.group.Group;
import org.lvxattn.oracle.Inputs;
import org.lvxattn.oracle.Oracle;
import org.lvxattn.oracle.Results;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lvx run}: attention, or whole layers, over several ranks. */
@Command(
    name = "run",
    description = {
      "Runs cross-attention over several ranks and reports time, memory and traffic.",
      "Without sizes: forward and backward of a Llama 3-V layer's cross-attention, checked"
          + " against the float64 oracle.",
      "With --layers it runs whole layers and reports the cost of each recomputation policy."
    },
    sortOptions = false)
final class RunCommand implements Callable<Integer> {
  @SuppressWarnings("NullAway.Init") // by picocli
  @Spec
  private CommandSpec spec;

  @Mixin private final JobOptions job = new JobOptions();

  @Mixin private final LayerOptions layers = new LayerOptions();

  @Option(
      names = "--strategy",
      paramLabel = "S",
      description =
          "What moves between ranks: ${COMPLETION-CANDIDATES} (default: AUTO; with --layers"
              + " QUERY_RING).")
  private @Nullable Strategy strategy;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (layers.areAsked()) {
      LayersReport report =
          new LayersJob(job, layers, strategy == null ? Strategy.QUERY_RING : strategy).run();
      System.out.print(json ? Json.write(report.toJson()) + "\n" : report.toText());
      return report.passed() ? 0 : 1;
    }
    Inputs inputs = job.inputs();
    if (job.isLocal()) {
      LocalRun run = job.localRun(inputs, strategy(), job.ranks);
      return report(compute(run, inputs, run.steps(), run::run));
    }
    if (ProcessGroup.isToBeStarted(job.group, job.device())) {
      return LocalProcesses.run(
          job.ranks, spec.root().commandLine().getParseResult().originalArgs());
    }
    return runInProcesses(inputs);
  }

  private Strategy strategy() {
    return strategy == null ? Strategy.AUTO : strategy;
  }

  /** Runs as one rank of a group of processes; only rank 0 prints. */
  private int runInProcesses(Inputs inputs) throws InterruptedException {
    Integer asked = ProcessGroup.given(spec, "--ranks") ? Integer.valueOf(job.ranks) : null;
    try (ProcessGroup process =
        ProcessGroup.join(job.group, job.device(), job.groupOptions(), asked)) {
      Group joined = process.group();
      LocalRun run = job.localRun(inputs, strategy(), joined.size());
      if (joined.rank() > 0) {
        run.runIn(joined, () -> {});
        return 0;
      }
      return report(compute(run, inputs, 1 + job.repeat, step -> run.runIn(joined, step)));
    }
  }

  private int report(RunReport report) {
    System.out.print(json ? Json.write(report.toJson()) + "\n" : report.toText());
    return report.passed() ? 0 : 1;
  }

  private RunReport compute(
      LocalRun run, Inputs inputs, int steps, Function<Runnable, LocalRun.Outcome> work)
      throws InterruptedException {
    LocalRun.Outcome outcome;
    Map<String, Double> errors = new LinkedHashMap<>();
    if (job.check()) {
      try (Oracle oracle = new Oracle(inputs, job.dtype, job.backward());
          Progress progress = Progress.of("lvx run", steps + oracle.steps())) {
        progress.doing(run.keys().ranks() + " ranks");
        outcome = work.apply(progress::step);
        progress.doing("float64 oracle");
        Results results = outcome.results();
        if (results != null) {
          errors = results.errors(oracle.solve(progress::step));
        }
      }
    } else {
      try (Progress progress = Progress.of("lvx run", steps)) {
        outcome = work.apply(progress::step);
      }
    }
    return RunReport.of(job, inputs.shape(), strategy(), run.keys(), outcome, errors);
  }
}
