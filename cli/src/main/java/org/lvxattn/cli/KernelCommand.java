// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.cli.output.Json;
import org.lvxattn.cli.output.Progress;
import org.lvxattn.cli.workload.AttentionShape;
import org.lvxattn.cli.workload.DeviceChoice;
import org.lvxattn.cli.workload.Inputs;
import org.lvxattn.cli.workload.KernelTiming;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lvx kernel}: how fast one rank computes, beside what its machine can do. */
@Command(
    name = "kernel",
    description = {
      "Times one rank's attention beside a matrix product and a pass over memory.",
      "The three are measured in turns in one process, so that their ratios hold even where the"
          + " machine's speed changes.",
      "LVX_CPU_TARGET=avx2 in the environment holds the kernels to that instruction set, and"
          + " through OPENBLAS_CORETYPE the matrix product; an unknown name lists those there are."
    },
    sortOptions = false)
final class KernelCommand implements Callable<Integer> {
  /** What is timed. */
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
      description = "Threads that compute (default: all there are).")
  private @Nullable Integer threads;

  @Option(
      names = "--repeat",
      paramLabel = "N",
      converter = Positive.class,
      description = "Timed rounds after one that warms up (default: ${DEFAULT-VALUE}).")
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
