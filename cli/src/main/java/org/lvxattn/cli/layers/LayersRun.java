// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.group.FlightRecord;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LinkEmulation;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.model.Gradients;
import org.lvxattn.model.Parameters;
import org.lvxattn.model.RowShard;
import org.lvxattn.oracle.DeviceChoice;
import org.lvxattn.oracle.Results;
import org.lvxattn.oracle.Rows;
import org.lvxattn.plan.KernelScratch;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.visual.VisualCheckpoint;

/** Times whole layers over local ranks, with random weights, text rows and visual features. */
public final class LayersRun {
  /** Prefix of the results that are gradients of parameters. */
  public static final String WEIGHT = "weight ";

  /** How to run. If timed, a timed call follows the warm-up call. */
  public record Settings(
      LayerSizes sizes,
      int frames,
      int tokensPerFrame,
      int textRows,
      DType dtype,
      Strategy strategy,
      RecomputePolicy policy,
      int tileRows,
      boolean backward,
      boolean timed,
      long seed,
      DeviceChoice device) {
    public BatchPlan plan(int ranks) {
      return new BatchPlan(1, frames, tokensPerFrame, textRows, ranks, false);
    }

    /** A copy with another policy. */
    public Settings with(RecomputePolicy other) {
      return new Settings(
          sizes,
          frames,
          tokensPerFrame,
          textRows,
          dtype,
          strategy,
          other,
          tileRows,
          backward,
          timed,
          seed,
          device);
    }

    /** Settings of the reference: no recomputation, float64, on the CPU. */
    public Settings reference() {
      return new Settings(
          sizes,
          frames,
          tokensPerFrame,
          textRows,
          DType.FLOAT64,
          strategy,
          RecomputePolicy.KEEP,
          tileRows,
          backward,
          false,
          seed,
          DeviceChoice.CPU);
    }
  }

  /**
   * The result of a run.
   *
   * @param seconds duration on the slowest rank; NaN if nothing was timed
   * @param ranks costs by rank; empty if nothing was timed
   * @param results whole tensors, or null if they were not kept
   */
  public record Outcome(double seconds, List<LayerCost> ranks, @Nullable Results results) {}

  private final Settings settings;
  private final BatchPlan plan;
  private final boolean keepResults;

  public LayersRun(Settings settings, int ranks, boolean keepResults) {
    this.settings = settings;
    this.plan = settings.plan(ranks);
    this.keepResults = keepResults;
  }

  /** Number of calls of {@code step} by {@link #run}: one for each call of each rank. */
  public int steps() {
    return (settings.timed() ? 2 : 1) * plan.ranks();
  }

  public Outcome run(GroupOptions options, LinkEmulation emulation, Runnable step) {
    try (SharedWeights weights =
        new SharedWeights(settings.sizes(), settings.dtype(), settings.seed())) {
      List<Rank> ranks =
          LocalWorld.run(
              plan.ranks(),
              options,
              emulation,
              settings.device().forRanks(plan.ranks()),
              group -> {
                Rank rank = new Rank(group);
                rank.run(weights, step);
                return rank;
              });
      return outcome(ranks);
    }
  }

  private Outcome outcome(List<Rank> ranks) {
    List<LayerCost> costs =
        settings.timed() ? ranks.stream().map(Rank::timedCost).toList() : List.of();
    double slowest = costs.stream().mapToDouble(LayerCost::seconds).max().orElse(Double.NaN);
    return new Outcome(slowest, costs, keepResults ? gather(ranks) : null);
  }

  /** One rank's work, on its own thread. */
  private final class Rank {
    private final Group group;
    private final Device device;
    private final int rank;
    private final RowShard text;
    private final VisualShard visual;
    private @Nullable LayerCost cost;
    private final Results shard = new Results();
    private long peakBytes;

    Rank(Group group) {
      this.group = group;
      this.device = group.device();
      this.rank = group.rank();
      this.text = plan.text(rank);
      this.visual = plan.visual(settings.sizes().family(), rank);
    }

    void run(SharedWeights weights, Runnable step) {
      LayerSizes sizes = settings.sizes();
      Map<String, long[]> trained = settings.backward() ? weights.shapes() : Map.of();
      try (TensorScope open = new TensorScope(device);
          RankLayers layers = RankLayers.open(group, sizes, plan, settings.strategy());
          LayerStack stack = new LayerStack(layers, sizes.layers());
          Gradients gradients = Gradients.zeros(device, settings.dtype(), trained);
          VisualCheckpoint features = features()) {
        Parameters parameters = weights.on(open);
        Tensor x = open.allocate(settings.dtype(), 1, text.rows(), sizes.hidden());
        fill(x, Rows.gaussian(settings.seed()), text.begin());
        Tensor d = open.allocate(settings.dtype(), x.shape());
        for (int call = 0; call < (settings.timed() ? 2 : 1); call++) {
          gradients.clear();
          fill(d, Rows.gaussian(~settings.seed()), text.begin());
          long before = operations();
          group.barrier();
          long begin = System.nanoTime();
          Tensor out = stack.forward(parameters, x, features);
          if (call == 0 && keepResults) {
            shard.put("out", out.toDoubles());
          }
          if (settings.backward()) {
            stack.backward(d, gradients);
          }
          device.synchronize();
          double seconds = (System.nanoTime() - begin) * 1e-9;
          stack.clear();
          peakBytes = call == 0 ? device.peakBytes() : peakBytes; // all calls are equal
          if (call > 0) {
            cost = cost(seconds, bytesSince(before));
          } else if (keepResults && settings.backward()) {
            keep(d, features, gradients);
          }
          step.run();
        }
      }
    }

    private VisualCheckpoint features() {
      Tensor rows =
          Tensor.allocate(
              device,
              settings.dtype(),
              visual.sequences(),
              visual.rows(),
              settings.sizes().visualWidth());
      fill(rows, Rows.gaussian(settings.seed() + (1L << 32)), visual.begin());
      return VisualCheckpoint.builder(group, rows)
          .closeFeatures()
          .policy(settings.policy())
          .tileRows(settings.tileRows())
          .build();
    }

    /** Number of operations of the group so far. */
    private long operations() {
      List<FlightRecord> records = group.flightRecords();
      return records.isEmpty() ? 0 : records.getLast().sequence();
    }

    private long bytesSince(long sequence) {
      return group.flightRecords().stream()
          .filter(record -> record.sequence() > sequence)
          .mapToLong(FlightRecord::bytesSent)
          .sum();
    }

    LayerCost timedCost() {
      return Objects.requireNonNull(cost, "nothing was timed");
    }

    private LayerCost cost(double seconds, long bytesSent) {
      return new LayerCost(
          rank, text.rows(), visual.rows(), bytesSent, seconds, peakBytes, plannedBytes());
    }

    private @Nullable Long plannedBytes() {
      boolean tiled = settings.policy() == RecomputePolicy.RECOMPUTE_TILED;
      if (settings.strategy() == Strategy.AUTO && !tiled) {
        return null;
      }
      LayerMemory memory =
          new LayerMemory(
              settings.sizes(),
              settings.dtype(),
              plan.textRows(),
              plan.visualRows(),
              plan.ranks(),
              // RECOMPUTE_TILED ignores the strategy.
              tiled ? Strategy.QUERY_RING : settings.strategy(),
              settings.tileRows(),
              KernelScratch.of(device));
      long gradients = settings.backward() ? memory.gradientBytes() : 0;
      return gradients + memory.peakBytes(settings.policy(), settings.backward(), rank);
    }

    private void keep(Tensor dx, VisualCheckpoint features, Gradients gradients) {
      shard.put("dx", dx.toDoubles());
      shard.put("dfeatures", features.featuresGradient().toDoubles());
      gradients.allReduce(group);
      if (rank == 0) {
        gradients.tensors().forEach((name, tensor) -> shard.put(WEIGHT + name, tensor.toDoubles()));
      }
    }
  }

  /** Fills [1, rows, width] with rows from begin on. */
  private static void fill(Tensor tensor, Rows rows, long begin) {
    rows.fill(tensor.reshape(1, tensor.dimension(1), 1, tensor.dimension(2)), begin);
  }

  /** Concatenates the rows of all ranks; gradients of parameters are already summed. */
  private Results gather(List<Rank> ranks) {
    Results whole = new Results();
    for (String name : ranks.getFirst().shard.names()) {
      boolean rows = name.equals("out") || name.equals("dx") || name.equals("dfeatures");
      whole.put(
          name,
          rows
              ? ranks.stream()
                  .map(rank -> rank.shard.get(name))
                  .flatMapToDouble(Arrays::stream)
                  .toArray()
              : ranks.getFirst().shard.get(name));
    }
    return whole;
  }
}
