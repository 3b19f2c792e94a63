// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.GroupOptions;
import org.lvxattn.Strategy;
import org.lvxattn.cli.output.Json;
import org.lvxattn.cli.output.Progress;
import org.lvxattn.cli.workload.AttentionShape;
import org.lvxattn.cli.workload.Inputs;
import org.lvxattn.cli.workload.LocalRun;
import org.lvxattn.cli.workload.Oracle;
import org.lvxattn.cli.workload.Results;
import org.lvxattn.cli.workload.VideoClip;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lvx run}: one attention over several ranks. */
@Command(
    name = "run",
    description = {
      "Computes cross-attention over several ranks and says what it cost.",
      "Without sizes it does the main job: forward and backward of a Llama 3-V layer's"
          + " cross-attention, checked against the float64 oracle."
    },
    sortOptions = false)
final class RunCommand implements Callable<Integer> {
  /** Text tokens of the main job: few enough for the oracle to follow on two cores. */
  private static final int MAIN_JOB_TEXT = 32;

  @Spec private @Nullable CommandSpec spec;

  @Mixin private final ShapeOptions sizes = new ShapeOptions();

  @Option(
      names = "--video",
      paramLabel = "DIR",
      description = "Keys and values from the PNG or JPEG frames of a folder.")
  private @Nullable Path video;

  @Option(
      names = "--ranks",
      paramLabel = "N",
      converter = Positive.class,
      description =
          "Number of ranks (default: ${DEFAULT-VALUE}); that of the launcher, if there is one.")
  private int ranks = 4;

  @Option(
      names = "--ranks-per-node",
      paramLabel = "N",
      converter = Positive.class,
      description = "Ranks that share a node, for the count of bytes between nodes (default: all).")
  private @Nullable Integer ranksPerNode;

  @Option(
      names = "--strategy",
      paramLabel = "S",
      description =
          "What moves between ranks: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private Strategy strategy = Strategy.QUERY_RING;

  @Option(
      names = "--group",
      paramLabel = "G",
      converter = Choices.ProcessGroupWord.class,
      description =
          "What joins the ranks: local (default; threads), gloo (processes, started here unless"
              + " RANK is set) or mpi (processes, started by mpirun).")
  private String group = "local";

  @Option(
      names = "--device",
      paramLabel = "D",
      converter = Choices.DeviceWord.class,
      description = "What computes: cpu (default).")
  private String device = "cpu";

  @Option(
      names = "--dtype",
      paramLabel = "T",
      converter = Choices.Dtype.class,
      description = "float64, float32 (default), bfloat16 or float16.")
  private DType dtype = DType.FLOAT32;

  @Option(
      names = "--backward",
      negatable = true,
      description = "Compute gradients too (default: in the main job).")
  private @Nullable Boolean backward;

  @Option(
      names = "--check",
      negatable = true,
      description = "Compare with the float64 oracle (default: in the main job).")
  private @Nullable Boolean check;

  @Option(
      names = "--repeat",
      paramLabel = "N",
      converter = Positive.class,
      description = "Timed calls after one that warms up (default: ${DEFAULT-VALUE}).")
  private int repeat = 1;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of the random inputs (default: ${DEFAULT-VALUE}).")
  private long seed = 0;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Override
  public Integer call() throws IOException, InterruptedException {
    boolean mainJob = sizes.isDefault();
    boolean withBackward = backward == null ? mainJob : backward;
    boolean withCheck = check == null ? mainJob : check;
    Inputs inputs = inputs(mainJob);
    if (group.equals("local")) {
      LocalRun run = run(inputs, ranks, withBackward, withCheck);
      return report(compute(run, inputs, withBackward, withCheck, run.steps(), run::run));
    }
    if (group.equals("gloo") && System.getenv("RANK") == null) {
      CommandSpec own = Objects.requireNonNull(spec, "picocli sets it");
      return LocalProcesses.run(ranks, own.root().commandLine().getParseResult().originalArgs());
    }
    LocalProcesses.endWithParent();
    return runInProcesses(inputs, withBackward, withCheck);
  }

  /** As one rank among processes, of which rank 0 speaks. */
  private int runInProcesses(Inputs inputs, boolean withBackward, boolean withCheck)
      throws InterruptedException {
    GroupOptions options =
        GroupOptions.defaults().withRanksPerNode(ranksPerNode == null ? 0 : ranksPerNode);
    CpuOptions cores = CpuOptions.defaults().withThreads(LocalProcesses.share());
    try (Device cpu = Device.cpu(cores);
        Group joined =
            group.equals("mpi") ? Group.mpi(cpu, options) : Group.fromEnvironment(cpu, options)) {
      LocalRun run = run(inputs, joined.size(), withBackward, withCheck);
      if (joined.rank() > 0) {
        run.runIn(joined, () -> {});
        return 0;
      }
      return report(
          compute(
              run, inputs, withBackward, withCheck, 1 + repeat, step -> run.runIn(joined, step)));
    }
  }

  private LocalRun run(Inputs inputs, int size, boolean withBackward, boolean withCheck) {
    return new LocalRun(
        inputs,
        new LocalRun.Settings(
            dtype,
            strategy,
            size,
            ranksPerNode == null ? 0 : ranksPerNode,
            withBackward,
            repeat,
            withCheck));
  }

  private int report(RunReport report) {
    System.out.print(json ? Json.write(report.toJson()) + "\n" : report.toText());
    return report.passed() ? 0 : 1;
  }

  private Inputs inputs(boolean mainJob) throws IOException {
    AttentionShape shape = mainJob ? sizes.resolve(MAIN_JOB_TEXT) : sizes.resolve();
    Inputs inputs = Inputs.random(shape, seed);
    if (video == null) {
      return inputs;
    }
    if (sizes.frames != null || sizes.shape != null) {
      throw new UsageException(
          "--video says how many keys there are; not with --frames or --shape");
    }
    return inputs.withVideo(VideoClip.read(video), seed);
  }

  private RunReport compute(
      LocalRun run,
      Inputs inputs,
      boolean withBackward,
      boolean withCheck,
      int steps,
      Function<Runnable, LocalRun.Outcome> work)
      throws InterruptedException {
    AttentionShape shape = inputs.shape();
    LocalRun.Outcome outcome;
    Map<String, Double> errors = new LinkedHashMap<>();
    if (withCheck) {
      try (Oracle oracle = new Oracle(inputs, dtype, withBackward);
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
    return new RunReport(
        sizes.modelName(),
        video,
        shape,
        strategy,
        group,
        device,
        dtype,
        withBackward,
        run.keys(),
        outcome,
        errors);
  }
}
