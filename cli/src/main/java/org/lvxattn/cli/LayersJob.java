// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.cli.layers.Family;
import org.lvxattn.cli.layers.LayerFlops;
import org.lvxattn.cli.layers.LayerSizes;
import org.lvxattn.cli.layers.LayersRun;
import org.lvxattn.cli.layers.PolicyResult;
import org.lvxattn.cli.layers.RankLayers;
import org.lvxattn.cli.output.Progress;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LinkEmulation;
import org.lvxattn.oracle.Results;
import org.lvxattn.plan.RecomputePolicy;

/** {@code lvx run --layers}: whole layers over local ranks; the policies alternate. */
final class LayersJob {
  private static final double MIN_SCALE = 1.0 / 64;

  private final JobOptions job;
  private final LayerOptions options;
  private final Strategy strategy;

  LayersJob(JobOptions job, LayerOptions options, Strategy strategy) {
    this.job = job;
    this.options = options;
    this.strategy = strategy;
  }

  LayersReport run() {
    requireSupported();
    LayerSizes whole = LayerSizes.of(job.sizes.model());
    LayerSizes wanted = whole.withLayers(options.layers(whole.layers()));
    double scale = scale(wanted);
    LayersRun.Settings settings = settings(wanted.scaled(scale));
    GroupOptions group = job.groupOptions();
    LinkEmulation emulation = job.linkEmulation();
    List<RecomputePolicy> policies = options.policies();
    List<List<LayersRun.Outcome>> outcomes = new ArrayList<>();
    policies.forEach(policy -> outcomes.add(new ArrayList<>()));
    int steps = (job.check() ? 1 : 0) + 2 * job.ranks * policies.size() * job.repeat;
    try (Progress progress = Progress.of("lvx run", steps)) {
      Results reference = job.check() ? reference(settings, progress) : null;
      // Policies alternate, since the machine's speed changes while they run.
      for (int round = 0; round < job.repeat; round++) {
        for (int i = 0; i < policies.size(); i++) {
          RecomputePolicy policy = policies.get(i);
          progress.doing(policy + ", " + job.ranks + " ranks");
          boolean checked = job.check() && round == 0;
          LayersRun run = new LayersRun(settings.with(policy), job.ranks, checked);
          outcomes.get(i).add(run.run(group, emulation, progress::step));
        }
      }
      List<PolicyResult> results = new ArrayList<>();
      for (int i = 0; i < policies.size(); i++) {
        double flops = LayerFlops.of(settings).of(policies.get(i), job.backward());
        results.add(PolicyResult.of(policies.get(i), outcomes.get(i), flops, reference));
      }
      return new LayersReport(job, strategy, settings, scale, results);
    }
  }

  private void requireSupported() {
    if (!job.isLocal()) {
      throw new UsageException("--layers runs over local ranks; not with --group " + job.group);
    }
    if (job.sizes.shape != null || job.video != null) {
      throw new UsageException("--layers are a model's; not with --shape or --video");
    }
    if (job.check() && job.dtype != DType.FLOAT32 && job.dtype != DType.FLOAT64) {
      throw new UsageException(
          "--check of whole layers is for float32 and float64; not with --dtype " + job.dtype);
    }
    if (job.sizes.frames() < 1 || job.sizes.text() < 1) {
      throw new UsageException(
          "--frames and --text: with --layers, numbers from 1 on are expected");
    }
    boolean interleaved = LayerSizes.of(job.sizes.model()).family() == Family.MPLUG_OWL3;
    if (interleaved && job.sizes.frames() >= job.sizes.text()) {
      throw new UsageException(
          "each frame has a token in the text: --text above --frames is expected, for instance"
              + " --text "
              + (job.sizes.frames() + job.sizes.model().defaultText()));
    }
  }

  private LayersRun.Settings settings(LayerSizes sizes) {
    return new LayersRun.Settings(
        sizes,
        job.sizes.frames(),
        job.sizes.model().tokensPerFrame(),
        job.sizes.text(),
        job.dtype,
        strategy,
        RecomputePolicy.KEEP,
        options.tileRows(),
        job.backward(),
        true,
        job.seed(),
        job.device());
  }

  /** Results on one rank in float64, where nothing is sent or recomputed. */
  private static Results reference(LayersRun.Settings settings, Progress progress) {
    progress.doing("float64 on one rank");
    LayersRun run = new LayersRun(settings.reference(), 1, true);
    Results results =
        run.run(GroupOptions.defaults(), LinkEmulation.none(), progress::step).results();
    if (results == null) {
      throw new IllegalStateException("the reference kept no results");
    }
    return results;
  }

  private double scale(LayerSizes sizes) {
    Double given = options.scaleWidth();
    if (given != null) {
      return given;
    }
    double scale = 1;
    while (estimate(sizes.scaled(scale)) > memory() / 2 && scale > MIN_SCALE) {
      scale /= 2;
    }
    return scale;
  }

  /** Estimated bytes of weights, their gradients, features, and kept keys and values. */
  private double estimate(LayerSizes sizes) {
    double weights = 0;
    for (long[] shape : RankLayers.parameterShapes(sizes).values()) {
      weights += sizes.layers() * Arrays.stream(shape).asDoubleStream().reduce(1, (a, b) -> a * b);
    }
    double visualRows = (double) job.sizes.frames() * job.sizes.model().tokensPerFrame();
    double features = visualRows * sizes.visualWidth();
    double keys = 2 * visualRows * sizes.layers() * sizes.keyHeads() * sizes.headDim();
    double wide = job.dtype.accumulator().bytes();
    double run =
        job.dtype.bytes() * (weights + features + keys)
            + (job.backward() ? wide * (job.ranks * weights + features) : 0);
    // Plus the results of the run and of the reference, as float64.
    double check = job.check() ? Double.BYTES * (4 * weights + 4 * features + keys) : 0;
    return run + check;
  }

  /** Memory of this machine, or of the container. */
  private static double memory() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getTotalMemorySize();
  }
}
