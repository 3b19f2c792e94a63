// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Pass;
import org.lvxattn.cli.output.ChartFile;
import org.lvxattn.cli.output.Json;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.plan.AttentionProblem;
import org.lvxattn.plan.AttentionSizes;
import org.lvxattn.plan.Link;
import org.lvxattn.plan.Machine;
import org.lvxattn.plan.Plan;
import org.lvxattn.plan.Planner;
import org.lvxattn.plan.Preset;
import org.lvxattn.plan.RankVisibility;
import org.lvxattn.plan.Shards;
import org.lvxattn.plan.Topology;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/**
 * {@code lvx plan}: predicts the cost of each strategy, also for machines that are not available.
 */
@Command(
    name = "plan",
    description = {
      "Predicts the cost of each strategy: bytes, time and memory of the busiest rank.",
      "Nothing is run. Parameters that are not given come from the preset."
    },
    sortOptions = false)
final class PlanCommand implements Callable<Integer> {
  @Mixin private final ShapeOptions sizes = new ShapeOptions();

  @Option(
      names = "--preset",
      paramLabel = "NAME",
      converter = PresetWord.class,
      description = "Known machines: a100, h100 or h200 with 25 or 50 GB/s (default: h100-50).")
  private Preset preset = Preset.H100_50;

  @Option(
      names = "--nodes",
      paramLabel = "N",
      converter = Positive.class,
      description = "Nodes (default: ${DEFAULT-VALUE}).")
  private int nodes = 2;

  @Option(
      names = "--ranks-per-node",
      paramLabel = "N",
      converter = Positive.class,
      description = "Ranks per node (default: the preset's).")
  private @Nullable Integer ranksPerNode;

  @Option(
      names = "--intra",
      paramLabel = "GB/s[,us]",
      converter = Bandwidth.class,
      description = "Each rank's link inside its node.")
  private @Nullable Link intra;

  @Option(
      names = "--inter",
      paramLabel = "GB/s[,us]",
      converter = Bandwidth.class,
      description = "Each rank's link to other nodes.")
  private @Nullable Link inter;

  @Option(
      names = "--shared-inter",
      description = "The ranks of a node share one link to other nodes.")
  private boolean sharedInter;

  @Option(
      names = "--tflops",
      paramLabel = "X",
      description = "A rank's compute rate in TFLOP/s, without memory limits.")
  private @Nullable Double teraflops;

  @Option(
      names = "--density",
      paramLabel = "X",
      description = "Fraction of query-key pairs that the mask keeps (default: 1).")
  private @Nullable Double density;

  @Option(
      names = "--dtype",
      paramLabel = "T",
      converter = Choices.Dtype.class,
      description = "float64, float32 (default), bfloat16 or float16.")
  private DType dtype = DType.FLOAT32;

  @Option(names = "--backward", description = "Forward and backward (default: forward).")
  private boolean backward;

  @Option(
      names = "--chart",
      paramLabel = "FILE",
      description = "Draw a chart of the times: an .svg or .png file.")
  private @Nullable Path chart;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    if (chart != null) {
      ChartFile.requireFormat(chart);
    }
    AttentionShape shape = sizes.resolve();
    Topology topology = topology();
    int ranks = nodes * topology.ranksPerNode();
    Pass pass = backward ? Pass.BOTH : Pass.FORWARD;
    Plan plan = new Planner(machine(), topology).plan(problem(shape, ranks), pass);
    PlanReport report = new PlanReport(shape, dtype, pass, ranks, topology, plan);
    if (chart != null) {
      report.chart().write(chart);
    }
    System.out.print(json ? Json.write(report.toJson()) + "\n" : report.toText());
    return 0;
  }

  private Topology topology() {
    Topology known = preset.topology();
    return new Topology(
        ranksPerNode == null ? known.ranksPerNode() : ranksPerNode,
        intra == null ? known.intra() : intra,
        inter == null ? known.inter() : inter,
        sharedInter);
  }

  private Machine machine() {
    if (teraflops == null) {
      return preset.machine();
    }
    if (!(teraflops > 0)) {
      throw new UsageException("--tflops " + teraflops + ", expected a number above 0");
    }
    return Machine.ofRate(teraflops * 1e12);
  }

  private AttentionProblem problem(AttentionShape shape, int ranks) {
    AttentionSizes common =
        new AttentionSizes(
            shape.batch(), shape.queryHeads(), shape.keyHeads(), shape.headDim(), dtype);
    Shards shards = Shards.even(shape.queries(), shape.keys(), ranks);
    AttentionProblem problem = AttentionProblem.of(common, shards);
    return density == null
        ? problem
        : problem.withRankVisibility(RankVisibility.estimate(shape.batch(), shards, density));
  }

  /** Parses a preset by its name. */
  static final class PresetWord implements ITypeConverter<Preset> {
    @Override
    public Preset convert(String word) {
      for (Preset preset : Preset.values()) {
        if (preset.toString().equals(word)) {
          return preset;
        }
      }
      throw new TypeConversionException(
          "unknown preset '"
              + word
              + "', expected one of "
              + Arrays.stream(Preset.values())
                  .map(Preset::toString)
                  .collect(Collectors.joining(", ")));
    }
  }
}
