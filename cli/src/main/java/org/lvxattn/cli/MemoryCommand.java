// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.cli.layers.LayerMemory;
import org.lvxattn.cli.layers.LayerSizes;
import org.lvxattn.cli.output.Json;
import org.lvxattn.cli.workload.Model;
import org.lvxattn.plan.KernelScratch;
import org.lvxattn.plan.RecomputePolicy;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code lvx memory}: predicts the memory of each recomputation policy. */
@Command(
    name = "memory",
    description = {
      "Predicts the memory of a rank that trains a model's cross-attention layers with each"
          + " recomputation policy, and how many frames fit.",
      "Nothing is run: lvx run --layers compares these formulas with measurements. Scratch memory"
          + " of kernels is not included. The default is 20 minutes of video at one frame per"
          + " second."
    },
    sortOptions = false)
final class MemoryCommand implements Callable<Integer> {
  private static final double GIBIBYTE = 1L << 30;

  @Option(
      names = "--model",
      paramLabel = "NAME",
      converter = Choices.ModelWord.class,
      description = "One model (default: all).")
  private @Nullable Model model;

  @Option(
      names = "--frames",
      paramLabel = "N",
      converter = Positive.class,
      description = "Video frames (default: ${DEFAULT-VALUE}).")
  private int frames = 1200;

  @Option(
      names = "--text",
      paramLabel = "N",
      converter = Positive.class,
      description = "Text tokens (default: ${DEFAULT-VALUE}).")
  private int text = 2048;

  @Option(
      names = "--ranks",
      paramLabel = "N",
      converter = Positive.class,
      description = "Ranks that share text and video (default: ${DEFAULT-VALUE}).")
  private int ranks = 16;

  @Option(
      names = "--dtype",
      paramLabel = "T",
      converter = Choices.Dtype.class,
      description = "float64, float32, bfloat16 (default) or float16.")
  private DType dtype = DType.BFLOAT16;

  @Option(
      names = "--tile-rows",
      paramLabel = "N",
      converter = Positive.class,
      description =
          "Visual rows that RECOMPUTE_TILED projects at a time (default: ${DEFAULT-VALUE}).")
  private int tileRows = 1024;

  @Option(
      names = "--fit",
      paramLabel = "GiB",
      description =
          "Memory of a rank in addition to weights and their gradients, for the number of frames"
              + " that fit (default: ${DEFAULT-VALUE}).")
  private double fit = 40;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Override
  public Integer call() {
    if (!(fit > 0) || fit * GIBIBYTE > Long.MAX_VALUE) {
      throw new UsageException("--fit " + fit + ", expected GiB above 0");
    }
    List<MemoryReport.Row> rows = new ArrayList<>();
    for (Model each : model == null ? List.of(Model.values()) : List.of(model)) {
      rows.add(row(each));
    }
    MemoryReport report = new MemoryReport(frames, text, ranks, dtype, tileRows, fit, rows);
    System.out.print(json ? Json.write(report.toJson()) + "\n" : report.toText());
    return 0;
  }

  private MemoryReport.Row row(Model each) {
    LayerSizes sizes = LayerSizes.of(each);
    LayerMemory memory =
        new LayerMemory(
            sizes,
            dtype,
            text,
            (long) frames * each.tokensPerFrame(),
            ranks,
            Strategy.QUERY_RING,
            tileRows,
            KernelScratch.NONE);
    Map<RecomputePolicy, Long> peak = new LinkedHashMap<>();
    Map<RecomputePolicy, Long> fitting = new LinkedHashMap<>();
    for (RecomputePolicy policy : Arrays.asList(RecomputePolicy.values())) {
      peak.put(policy, memory.peakBytes(policy, true));
      long bytes = (long) (fit * GIBIBYTE);
      fitting.put(policy, memory.framesThatFit(policy, bytes, each.tokensPerFrame()));
    }
    return new MemoryReport.Row(
        each.modelName(),
        sizes.layers(),
        memory.weightBytes(),
        memory.gradientBytes(),
        peak,
        fitting);
  }
}
