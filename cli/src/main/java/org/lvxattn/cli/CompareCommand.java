// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Pass;
import org.lvxattn.cli.output.ChartFile;
import org.lvxattn.cli.output.Json;
import org.lvxattn.cli.output.Progress;
import org.lvxattn.cli.workload.LocalRun;
import org.lvxattn.group.Calibration;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Inputs;
import org.lvxattn.oracle.Oracle;
import org.lvxattn.oracle.Results;
import org.lvxattn.plan.AttentionProblem;
import org.lvxattn.plan.AttentionSizes;
import org.lvxattn.plan.Machine;
import org.lvxattn.plan.Plan;
import org.lvxattn.plan.Planner;
import org.lvxattn.plan.Shards;
import org.lvxattn.plan.StrategyPlan;
import org.lvxattn.plan.Topology;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lvx compare}: every strategy on the same job, beside the planner's prediction. */
@Command(
    name = "compare",
    description = {
      "Runs the same cross-attention with every strategy, side by side.",
      "The plan in the same table uses the kernels' rates on this machine, which are measured"
          + " first, and the emulated links."
    },
    sortOptions = false)
final class CompareCommand implements Callable<Integer> {
  @Mixin private final JobOptions job = new JobOptions();

  @Option(
      names = "--chart",
      paramLabel = "FILE",
      description = "Draw a chart of measured and planned times: an .svg or .png file.")
  private @Nullable Path chart;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (chart != null) {
      ChartFile.requireFormat(chart);
    }
    if (!job.isLocal()) {
      throw new UsageException(
          "compare runs over local ranks, whose links can be emulated; not with --group "
              + job.group);
    }
    Inputs inputs = job.inputs();
    Plan plan = plan(inputs.shape());
    CompareReport report = new CompareReport(plan, run(inputs, plan));
    if (chart != null) {
      report.chart().write(chart);
    }
    System.out.print(json ? Json.write(report.toJson()) + "\n" : report.toText());
    return report.passed() ? 0 : 1;
  }

  private Plan plan(AttentionShape shape) {
    AttentionSizes sizes =
        new AttentionSizes(
            shape.batch(), shape.queryHeads(), shape.keyHeads(), shape.headDim(), job.dtype);
    Shards shards = Shards.even(shape.queries(), shape.keys(), job.ranks);
    // The largest block of a rank, at least one row.
    long queries = Math.max(shards.queries().getFirst(), 1);
    long keys = Math.max(shards.keys().getFirst(), 1);
    Machine machine =
        LocalWorld.run(
                job.ranks,
                job.groupOptions(),
                job.linkEmulation(),
                job.device().forRanks(job.ranks),
                group -> Calibration.machine(group, sizes, queries, keys))
            .getFirst();
    int ranksPerNode = job.links.ranksPerNode();
    Topology topology =
        new Topology(
            ranksPerNode == 0 ? job.ranks : ranksPerNode,
            job.links.intra(),
            job.links.inter(),
            job.links.sharedInter);
    return new Planner(machine, topology)
        .plan(AttentionProblem.of(sizes, shards), job.backward() ? Pass.BOTH : Pass.FORWARD);
  }

  private List<CompareReport.Row> run(Inputs inputs, Plan plan) throws InterruptedException {
    int steps = plan.rows().size() * (1 + job.repeat) * job.ranks;
    if (!job.check()) {
      try (Progress progress = Progress.of("lvx compare", steps)) {
        return run(inputs, plan, null, progress);
      }
    }
    try (Oracle oracle = new Oracle(inputs, job.dtype, job.backward());
        Progress progress = Progress.of("lvx compare", steps + oracle.steps())) {
      progress.doing("float64 oracle");
      return run(inputs, plan, oracle.solve(progress::step), progress);
    }
  }

  private List<CompareReport.Row> run(
      Inputs inputs, Plan plan, @Nullable Results expected, Progress progress) {
    List<CompareReport.Row> rows = new ArrayList<>();
    for (StrategyPlan planned : plan.rows()) {
      progress.doing(planned.strategy().name());
      rows.add(run(inputs, planned, expected, progress));
    }
    return rows;
  }

  private CompareReport.Row run(
      Inputs inputs, StrategyPlan planned, @Nullable Results expected, Progress progress) {
    LocalRun run = job.localRun(inputs, planned.strategy(), job.ranks);
    Map<String, Double> errors = new LinkedHashMap<>();
    LocalRun.Outcome outcome = LocalRun.Outcome.NONE;
    String failure = null;
    if (planned.isSupported()) {
      try {
        outcome = run.run(progress::step);
        Results results = outcome.results();
        if (results != null && expected != null) {
          errors = results.errors(expected);
        }
      } catch (RuntimeException e) { // go on with the other strategies
        failure = e.getClass().getSimpleName() + ": " + e.getMessage();
      }
    }
    RunReport report =
        RunReport.of(job, inputs.shape(), planned.strategy(), run.keys(), outcome, errors);
    return new CompareReport.Row(planned, report, failure);
  }
}
