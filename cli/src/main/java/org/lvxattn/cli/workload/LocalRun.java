// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LinkEmulation;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.DeviceChoice;
import org.lvxattn.oracle.GroupExchange;
import org.lvxattn.oracle.Inputs;
import org.lvxattn.oracle.Results;
import org.lvxattn.oracle.Rows;
import org.lvxattn.oracle.Sequences;
import org.lvxattn.oracle.Split;

/** Times attention over the ranks of a group; sequences are split evenly. */
public final class LocalRun {
  /** How to run; {@code repeat} is the number of timed calls after a warm-up call. */
  public record Settings(
      DType dtype,
      Strategy strategy,
      int ranks,
      GroupOptions group,
      LinkEmulation emulation,
      DeviceChoice device,
      boolean backward,
      int repeat,
      boolean keepResults) {}

  /**
   * The result of a run.
   *
   * @param seconds duration on the slowest rank, median over the repeats
   * @param ranks costs of the repeat with the median duration
   * @param results the whole tensors, or null if they were not kept
   */
  public record Outcome(double seconds, List<RankCost> ranks, @Nullable Results results) {
    /** The outcome of a run that did not take place. */
    public static final Outcome NONE = new Outcome(Double.NaN, List.of(), null);
  }

  private final Inputs inputs;
  private final Settings settings;
  private final Split queries;
  private final Split keys;
  private final CrossAttention attention;

  public LocalRun(Inputs inputs, Settings settings) {
    AttentionShape shape = inputs.shape();
    this.inputs = inputs;
    this.settings = settings;
    this.queries = Split.even(shape.queries(), settings.ranks());
    this.keys = Split.even(shape.keys(), settings.ranks());
    this.attention =
        CrossAttention.builder()
            .heads(shape.queryHeads())
            .keyValueHeads(shape.keyHeads())
            .headDim(shape.headDim())
            .strategy(settings.strategy())
            .build();
  }

  /** How the keys are sharded. */
  public Split keys() {
    return keys;
  }

  /** Number of calls of {@code step} by {@link #run}: one for each call of each rank. */
  public int steps() {
    return (1 + settings.repeat()) * settings.ranks();
  }

  public Outcome run(Runnable step) {
    List<Rank> ranks =
        LocalWorld.run(
            settings.ranks(),
            settings.group(),
            settings.emulation(),
            settings.device().forRanks(settings.ranks()),
            group -> {
              Rank rank = new Rank(group.rank());
              rank.run(group, step);
              return rank;
            });
    return outcome(ranks);
  }

  /**
   * Runs this process's rank of a group of processes. Every rank gets the whole outcome.
   *
   * @param group a group with the settings' number of ranks
   */
  public Outcome runIn(Group group, Runnable step) {
    Rank mine = new Rank(group.rank());
    mine.run(group, step);
    List<byte[]> told = GroupExchange.allGather(group, mine.toBytes());
    List<Rank> ranks = new ArrayList<>();
    for (int rank = 0; rank < told.size(); rank++) {
      ranks.add(rank == mine.rank ? mine : new Rank(rank).read(told.get(rank)));
    }
    return outcome(ranks);
  }

  private Outcome outcome(List<Rank> ranks) {
    List<List<RankCost>> repeats = new ArrayList<>();
    for (int repeat = 0; repeat < settings.repeat(); repeat++) {
      List<RankCost> costs = new ArrayList<>();
      for (Rank rank : ranks) {
        costs.add(rank.costs.get(repeat));
      }
      repeats.add(costs);
    }
    repeats.sort(Comparator.comparingDouble(LocalRun::slowest));
    List<RankCost> median = repeats.get((repeats.size() - 1) / 2);
    return new Outcome(slowest(median), median, settings.keepResults() ? gather(ranks) : null);
  }

  private static double slowest(List<RankCost> costs) {
    return costs.stream().mapToDouble(RankCost::seconds).max().orElseThrow();
  }

  /** One rank's work, on its own thread. */
  private final class Rank {
    private final int rank;
    private final List<RankCost> costs = new ArrayList<>();
    private Results shard = new Results();

    Rank(int rank) {
      this.rank = rank;
    }

    byte[] toBytes() {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      try (DataOutputStream out = new DataOutputStream(bytes)) {
        out.writeInt(costs.size());
        for (RankCost cost : costs) {
          cost.write(out);
        }
        shard.write(out);
      } catch (IOException e) {
        throw new UncheckedIOException("writing to memory", e);
      }
      return bytes.toByteArray();
    }

    Rank read(byte[] bytes) {
      try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
        for (int left = in.readInt(); left > 0; left--) {
          costs.add(RankCost.read(in));
        }
        shard = Results.read(in);
      } catch (IOException e) {
        throw new UncheckedIOException("rank " + rank + " told of its results in another way", e);
      }
      return this;
    }

    void run(Group group, Runnable step) {
      AttentionShape shape = inputs.shape();
      DType dtype = settings.dtype();
      long rows = queries.rows(rank);
      long[] queryShape = {shape.batch(), rows, shape.queryHeads(), shape.headDim()};
      long[] keyShape = {shape.batch(), keys.rows(rank), shape.keyHeads(), shape.headDim()};
      try (TensorScope open = new TensorScope(group.device())) {
        Tensor q = filled(open, inputs.queries(), queryShape, queries.begin(rank));
        Tensor k = filled(open, inputs.keys(), keyShape, keys.begin(rank));
        Tensor v = filled(open, inputs.values(), keyShape, keys.begin(rank));
        Tensor o = open.allocate(dtype, queryShape);
        Tensor lse = open.allocate(dtype.accumulator(), shape.batch(), shape.queryHeads(), rows);
        Gradients gradients =
            settings.backward() ? new Gradients(open, queryShape, keyShape) : null;
        if (gradients != null) {
          inputs.outputGradient().fill(gradients.dO, queries.begin(rank));
        }
        for (int call = 0; call <= settings.repeat(); call++) {
          Statistics forward = Statistics.create();
          Statistics backward = Statistics.create();
          group.barrier();
          long begin = System.nanoTime();
          attention.forwardInto(
              group,
              new AttentionInputs(q, k, v, Mask.none()),
              new AttentionOutputs(o, lse),
              forward);
          if (gradients != null) {
            gradients.compute(group, q, k, v, o, lse, backward);
          }
          group.device().synchronize();
          double seconds =
              settings.emulation().isVirtualTime()
                  ? forward.totalSeconds() + backward.totalSeconds()
                  : (System.nanoTime() - begin) * 1e-9;
          if (call > 0) {
            long bytes = group.device().peakBytes();
            costs.add(RankCost.of(rank, rows, keys.rows(rank), seconds, bytes, forward, backward));
          }
          step.run();
        }
        if (settings.keepResults()) {
          shard.put("o", o.toDoubles());
          shard.put("lse", lse.toDoubles());
          if (gradients != null) {
            shard.put("dq", gradients.dq.toDoubles());
            shard.put("dk", gradients.dk.toDoubles());
            shard.put("dv", gradients.dv.toDoubles());
          }
        }
      }
    }

    private Tensor filled(TensorScope open, Rows rows, long[] shape, long begin) {
      Tensor tensor = open.allocate(settings.dtype(), shape);
      rows.fill(tensor, begin);
      return tensor;
    }
  }

  /** The tensors that backward needs in addition to forward's. */
  private final class Gradients {
    private final Tensor dO;
    private final Tensor dq;
    private final Tensor dk;
    private final Tensor dv;

    Gradients(TensorScope open, long[] queryShape, long[] keyShape) {
      dO = open.allocate(settings.dtype(), queryShape);
      dq = open.allocate(settings.dtype(), queryShape);
      dk = open.allocate(settings.dtype(), keyShape);
      dv = open.allocate(settings.dtype(), keyShape);
    }

    void compute(
        Group group, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse, Statistics statistics) {
      attention.backwardInto(
          group,
          new AttentionInputs(q, k, v, Mask.none()),
          new AttentionOutputs(o, lse),
          dO,
          new GradientOutputs(dq, dk, dv, null),
          statistics);
    }
  }

  private Results gather(List<Rank> ranks) {
    AttentionShape shape = inputs.shape();
    Results whole = new Results();
    whole.put("o", join(ranks, "o", shape.batch(), queries, shape.queryWidth()));
    whole.put("lse", join(ranks, "lse", shape.batch() * shape.queryHeads(), queries, 1));
    if (settings.backward()) {
      whole.put("dq", join(ranks, "dq", shape.batch(), queries, shape.queryWidth()));
      whole.put("dk", join(ranks, "dk", shape.batch(), keys, shape.keyWidth()));
      whole.put("dv", join(ranks, "dv", shape.batch(), keys, shape.keyWidth()));
    }
    return whole;
  }

  private static double[] join(List<Rank> ranks, String name, int blocks, Split split, int width) {
    return Sequences.join(
        ranks.stream().map(rank -> rank.shard.get(name)).toList(), blocks, split, width);
  }
}
