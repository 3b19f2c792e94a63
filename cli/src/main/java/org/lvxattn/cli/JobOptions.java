// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.GroupOptions;
import org.lvxattn.Strategy;
import org.lvxattn.cli.workload.AttentionShape;
import org.lvxattn.cli.workload.DeviceChoice;
import org.lvxattn.cli.workload.Inputs;
import org.lvxattn.cli.workload.LocalRun;
import org.lvxattn.cli.workload.VideoClip;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * What is computed, on which ranks, and how often: the options of {@code run} and {@code compare}.
 */
final class JobOptions {
  /** Text tokens of the main job: few enough for the oracle to follow on two cores. */
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
          "Number of ranks (default: ${DEFAULT-VALUE}); that of the launcher, if there is one.")
  int ranks = 4;

  @Mixin final LinkOptions links = new LinkOptions();

  @Option(
      names = "--group",
      paramLabel = "G",
      converter = Choices.GroupWord.class,
      description =
          "What joins the ranks: local (default; threads), gloo (processes, started here unless"
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
          "--video says how many keys there are; not with --frames or --shape");
    }
    return inputs.withVideo(VideoClip.read(video), seed);
  }

  long seed() {
    return seed;
  }

  boolean isLocal() {
    return group.equals("local");
  }

  /**
   * How the ranks are joined. Where links are emulated, each rank's clock counts its own processor
   * time: ranks that share processors are timed as if each had one.
   */
  GroupOptions groupOptions() {
    boolean emulated = links.intra != null || links.inter != null;
    if (emulated && !isLocal()) {
      throw new UsageException(
          "--intra and --inter emulate links between local ranks; not with --group " + group);
    }
    if (emulated && !device().isCpu()) {
      throw new UsageException(
          "--intra and --inter emulate links between CPUs; not with --device " + device());
    }
    return GroupOptions.defaults()
        .withVirtualTime(emulated && ranks >= Runtime.getRuntime().availableProcessors())
        .withRanksPerNode(links.ranksPerNode())
        .withLinks(links.intra(), links.inter(), links.sharedInter);
  }

  LocalRun localRun(Inputs inputs, Strategy strategy, int size) {
    return new LocalRun(
        inputs,
        new LocalRun.Settings(
            dtype, strategy, size, groupOptions(), device(), backward(), repeat, check()));
  }
}
