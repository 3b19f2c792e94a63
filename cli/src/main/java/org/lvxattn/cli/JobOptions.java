// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.cli.workload.LocalRun;
import org.lvxattn.cli.workload.VideoClip;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LinkEmulation;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.DeviceChoice;
import org.lvxattn.oracle.Inputs;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * What is computed, on which ranks, and how often: the options of {@code run} and {@code compare}.
 */
final class JobOptions {
  /** Text tokens of the default job: few enough for the oracle on two cores. */
  private static final int MAIN_JOB_TEXT = 32;

  @Mixin final ShapeOptions sizes = new ShapeOptions();

  @Option(
      names = "--video",
      paramLabel = "DIR",
      description = "Keys and values from the PNG or JPEG frames of a folder.")
  @Nullable Path video;

  @Option(
      names = "--ranks",
      paramLabel = "N",
      converter = Positive.class,
      description =
          "Number of ranks (default: ${DEFAULT-VALUE}, or the launcher's number of processes).")
  int ranks = 4;

  @Mixin final LinkOptions links = new LinkOptions();

  @Option(
      names = "--group",
      paramLabel = "G",
      converter = Choices.GroupWord.class,
      description =
          "Backend of the group: local (default; threads), gloo (processes, started here unless"
              + " RANK is set), mpi (processes, started by mpirun) or nccl (CUDA devices, otherwise"
              + " as gloo).")
  String group = "local";

  @Mixin private final DeviceOptions devices = new DeviceOptions();

  @Option(
      names = "--dtype",
      paramLabel = "T",
      converter = Choices.Dtype.class,
      description = "float64, float32 (default), bfloat16 or float16.")
  DType dtype = DType.FLOAT32;

  @Option(
      names = "--backward",
      negatable = true,
      description = "Compute gradients too (default without sizes).")
  private @Nullable Boolean backward;

  @Option(
      names = "--check",
      negatable = true,
      description = "Compare with the float64 oracle (default without sizes).")
  private @Nullable Boolean check;

  @Option(
      names = "--repeat",
      paramLabel = "N",
      converter = Positive.class,
      description = "Timed calls after a warm-up call (default: ${DEFAULT-VALUE}).")
  int repeat = 1;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of the random inputs (default: ${DEFAULT-VALUE}).")
  private long seed = 0;

  boolean backward() {
    return backward == null ? sizes.isDefault() : backward;
  }

  boolean check() {
    return check == null ? sizes.isDefault() : check;
  }

  DeviceChoice device() {
    return devices.choice();
  }

  Inputs inputs() throws IOException {
    AttentionShape shape = sizes.isDefault() ? sizes.resolve(MAIN_JOB_TEXT) : sizes.resolve();
    Inputs inputs = Inputs.random(shape, seed);
    if (video == null) {
      return inputs;
    }
    if (sizes.frames != null || sizes.shape != null) {
      throw new UsageException(
          "--video sets the number of keys; it cannot be combined with --frames or --shape");
    }
    return VideoClip.read(video).inputs(inputs, seed);
  }

  long seed() {
    return seed;
  }

  boolean isLocal() {
    return group.equals("local");
  }

  /** Options of the group. */
  GroupOptions groupOptions() {
    boolean emulated = links.isEmulated();
    if (emulated && !isLocal()) {
      throw new UsageException(
          "--intra and --inter emulate links between local ranks; not with --group " + group);
    }
    if (emulated && !device().isCpu()) {
      throw new UsageException(
          "--intra and --inter emulate links between CPUs; not with --device " + device());
    }
    return GroupOptions.builder().ranksPerNode(links.ranksPerNode()).build();
  }

  /**
   * How long messages between local ranks take. With emulated links, each rank's clock counts its
   * own CPU time, so ranks that share processors are timed as if each had its own.
   */
  LinkEmulation linkEmulation() {
    return LinkEmulation.builder()
        .intra(links.intra())
        .inter(links.inter())
        .sharedInter(links.sharedInter)
        .virtualTime(links.isEmulated() && ranks >= Runtime.getRuntime().availableProcessors())
        .build();
  }

  LocalRun localRun(Inputs inputs, Strategy strategy, int size) {
    return new LocalRun(
        inputs,
        new LocalRun.Settings(
            dtype,
            strategy,
            size,
            groupOptions(),
            linkEmulation(),
            device(),
            backward(),
            repeat,
            check()));
  }
}
