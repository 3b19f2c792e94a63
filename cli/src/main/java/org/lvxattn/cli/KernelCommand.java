// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.cli.output.Json;
import org.lvxattn.cli.output.Progress;
import org.lvxattn.cli.workload.KernelTiming;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.DeviceChoice;
import org.lvxattn.oracle.Inputs;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lvx kernel}: the speed of one rank's kernels, compared with the machine's own rates. */
@Command(
    name = "kernel",
    description = {
      "Times one rank's attention, and for comparison a matrix product and a memory read.",
      "The three are measured in alternation in one process, so that their ratios hold even if the"
          + " machine's speed changes.",
      "LVX_CPU_TARGET=avx2 in the environment restricts the kernels to that instruction set, and"
          + " through OPENBLAS_CORETYPE the matrix product; an unknown name lists the valid ones."
    },
    sortOptions = false)
final class KernelCommand implements Callable<Integer> {
  /** Which pass is timed. */
  enum Pass {
    FORWARD,
    BACKWARD,
    DECODE
  }

  @Mixin private final ShapeOptions sizes = new ShapeOptions();

  @Option(
      names = "--pass",
      paramLabel = "PASS",
      description = "forward (default), backward, or decode: forward of a single query.")
  private Pass pass = Pass.FORWARD;

  @Option(
      names = "--dtype",
      paramLabel = "T",
      converter = Choices.Dtype.class,
      description = "float64, float32 (default), bfloat16 or float16.")
  private DType dtype = DType.FLOAT32;

  @Mixin private final DeviceOptions devices = new DeviceOptions();

  @Option(
      names = "--threads",
      paramLabel = "N",
      converter = Positive.class,
      description = "Compute threads (default: all).")
  private @Nullable Integer threads;

  @Option(
      names = "--repeat",
      paramLabel = "N",
      converter = Positive.class,
      description = "Timed rounds after a warm-up round (default: ${DEFAULT-VALUE}).")
  private int repeat = 5;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of the random inputs (default: ${DEFAULT-VALUE}).")
  private long seed = 0;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Override
  public Integer call() {
    DeviceChoice device = devices.choice();
    AttentionShape shape = pass == Pass.DECODE ? decodeShape() : sizes.resolve();
    if (threads != null && !device.isCpu()) {
      throw new UsageException("--threads are a CPU's; not with --device " + device);
    }
    try (Device opened = device.open(threads == null ? 0 : threads);
        Progress progress = Progress.of("lvx kernel", 1 + repeat)) {
      KernelTiming timing =
          KernelTiming.measure(
              opened,
              Inputs.random(shape, seed),
              dtype,
              pass == Pass.BACKWARD,
              repeat,
              progress::step);
      KernelReport report =
          new KernelReport(
              shape, pass, dtype, device.word(), opened.name(), opened.threads(), timing);
      System.out.print(json ? Json.write(report.toJson()) + "\n" : report.toText());
    }
    return 0;
  }

  private AttentionShape decodeShape() {
    if (sizes.text != null) {
      throw new UsageException("--text does not go with --pass decode, which has a single query");
    }
    AttentionShape shape = sizes.resolve();
    if (sizes.shape != null && shape.queries() != 1) {
      throw new UsageException(
          "--pass decode has a single query, but --shape says " + shape.queries());
    }
    return new AttentionShape(
        shape.batch(), 1, shape.keys(), shape.queryHeads(), shape.keyHeads(), shape.headDim());
  }
}
