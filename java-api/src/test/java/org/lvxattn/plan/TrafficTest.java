// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.Pass;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.UnsupportedRequestException;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;

/** Bytes, messages and memory of calls equal the plan exactly. */
@Timeout(300)
class TrafficTest {
  private static final int PROBLEMS = 240;

  private int served;
  private int refused;

  /** Counts of one rank. */
  private record Counts(long bytes, long messages, long interNodeBytes, long peakBytes) {
    static Counts of(Statistics statistics) {
      return new Counts(
          statistics.bytesSent(),
          statistics.messagesSent(),
          statistics.interNodeBytesSent(),
          statistics.peakBytes());
    }

    static Counts of(RankPlan plan) {
      return new Counts(plan.bytes(), plan.messages(), plan.interNodeBytes(), plan.peakBytes());
    }
  }

  /** Plan and counts of one rank, or a strategy that was rejected. */
  private record Call(
      Strategy strategy, Pass pass, @Nullable Counts planned, @Nullable Counts counted) {}

  @Test
  void isExactForEveryScheduleOnRandomShapesSplitsAndMasks() {
    for (int seed = 0; seed < PROBLEMS; seed++) {
      check("seed " + seed, new RandomProblem(seed), false);
    }
    assertThat(served).isGreaterThan(10 * PROBLEMS);
    assertThat(refused).isGreaterThan(PROBLEMS / 10);
  }

  @Test
  void isExactForQueriesThatArePartOfAWiderTensor() {
    for (int seed = 0; seed < PROBLEMS / 4; seed++) {
      check("seed " + seed, new RandomProblem(seed), true);
    }
    assertThat(served).isGreaterThan(10 * PROBLEMS / 4);
  }

  private void check(String where, RandomProblem random, boolean strided) {
    GroupOptions options = GroupOptions.builder().ranksPerNode(random.ranksPerNode).build();
    List<List<Call>> ranks =
        LocalWorld.run(random.problem.ranks(), options, group -> calls(group, random, strided));
    for (int rank = 0; rank < ranks.size(); rank++) {
      for (Call call : ranks.get(rank)) {
        String what = where + ", rank " + rank + ", " + call.pass() + ", " + call.strategy();
        assertThat(call.counted()).as(what).isEqualTo(call.planned());
        served += call.counted() == null ? 0 : 1;
        refused += call.counted() == null ? 1 : 0;
      }
    }
  }

  /** This rank's calls with every strategy. */
  private static List<Call> calls(Group group, RandomProblem random, boolean strided) {
    AttentionProblem problem = strided ? random.problem.withStridedQueries() : random.problem;
    Topology topology = new Topology(random.ranksPerNode, Link.INSTANT, Link.INSTANT, false);
    Planner planner =
        new Planner(Machine.ofRate(1e9), topology).withScratch(KernelScratch.of(group.device()));
    AttentionSizes sizes = problem.sizes();
    List<Call> calls = new ArrayList<>();
    try (RankTensors tensors = new RankTensors(group, random, strided)) {
      for (Strategy strategy : Strategy.schedules()) {
        CrossAttention attention =
            CrossAttention.builder()
                .heads(sizes.heads())
                .keyValueHeads(sizes.keyValueHeads())
                .headDim(sizes.headDim())
                .strategy(strategy)
                .build();
        for (Pass pass : List.of(Pass.FORWARD, Pass.BACKWARD)) {
          calls.add(call(planner, problem, attention, pass, tensors, group.rank()));
        }
      }
    }
    return calls;
  }

  private static Call call(
      Planner planner,
      AttentionProblem problem,
      CrossAttention attention,
      Pass pass,
      RankTensors tensors,
      int rank) {
    Strategy strategy = attention.strategy();
    Counts planned;
    try {
      planned = Counts.of(planner.plan(problem, pass, strategy, rank));
    } catch (IllegalArgumentException e) {
      assertThatExceptionOfType(UnsupportedRequestException.class)
          .isThrownBy(() -> tensors.run(attention, pass))
          .withMessageContaining("HEAD_ALL_TO_ALL");
      return new Call(strategy, pass, null, null);
    }
    return new Call(strategy, pass, planned, Counts.of(tensors.run(attention, pass)));
  }

  /** One rank's tensors; their values do not matter here. */
  private static final class RankTensors implements AutoCloseable {
    private final Group group;
    private final List<Tensor> made = new ArrayList<>();
    private final Tensor q;
    private final Tensor k;
    private final Tensor v;
    private final Tensor o;
    private final Tensor lse;
    private final Tensor dO;
    private final Tensor dq;
    private final Tensor dk;
    private final Tensor dv;
    private final @Nullable Tensor dBias;
    private final Mask mask;

    RankTensors(Group group, RandomProblem random, boolean strided) {
      this.group = group;
      AttentionProblem problem = random.problem;
      AttentionSizes sizes = problem.sizes();
      DType dtype = sizes.dtype();
      long queries = problem.shards().queries(group.rank());
      long keys = problem.shards().keys(group.rank());
      long[] queryShape = {sizes.batch(), queries, sizes.heads(), sizes.headDim()};
      long[] keyShape = {sizes.batch(), keys, sizes.keyValueHeads(), sizes.headDim()};
      q = strided ? halfOf(dtype, queryShape) : add(dtype, queryShape);
      k = add(dtype, keyShape);
      v = add(dtype, keyShape);
      o = add(dtype, queryShape);
      DType wide = dtype.accumulator();
      lse =
          problem.bias() == null
              ? add(wide, sizes.batch(), sizes.heads(), queries)
              : add(wide, 3, sizes.batch(), sizes.heads(), queries);
      dO = add(dtype, queryShape);
      dq = add(dtype, queryShape);
      dk = add(dtype, keyShape);
      dv = add(dtype, keyShape);
      Mask visible = Mask.none();
      if (random.ranges != null) {
        int[] ranges = random.ranges.get(group.rank());
        Tensor visibility = add(DType.INT32, sizes.batch(), queries, random.rangesPerQuery, 2);
        visible = Mask.visible(visibility.copyFrom(ranges));
      }
      BiasShape shape = problem.bias();
      if (shape == null) {
        mask = visible;
        dBias = null;
      } else {
        long[] extents = {
          shape.perBatchItem() ? sizes.batch() : 1,
          shape.perHead() ? sizes.heads() : 1,
          shape.perQuery() ? problem.shards().allQueries() : 1,
          keys
        };
        mask = visible.withBias(add(shape.dtype(), extents));
        dBias = shape.gradient() ? add(shape.dtype(), extents) : null;
      }
    }

    private Tensor add(DType dtype, long... shape) {
      Tensor tensor = Tensor.allocate(group.device(), dtype, shape);
      made.add(tensor);
      return tensor;
    }

    /** A slice with half of the heads of a tensor. */
    private Tensor halfOf(DType dtype, long... shape) {
      Tensor wide = add(dtype, shape[0], shape[1], 2 * shape[2], shape[3]);
      Tensor part = wide.slice(2, 0, shape[2]);
      made.add(part);
      return part;
    }

    Statistics run(CrossAttention attention, Pass pass) {
      return pass == Pass.FORWARD ? forward(attention) : backward(attention);
    }

    private Statistics forward(CrossAttention attention) {
      Statistics statistics = Statistics.create();
      attention.forwardInto(
          group, new AttentionInputs(q, k, v, mask), new AttentionOutputs(o, lse), statistics);
      return statistics;
    }

    private Statistics backward(CrossAttention attention) {
      Statistics statistics = Statistics.create();
      attention.backwardInto(
          group,
          new AttentionInputs(q, k, v, mask),
          new AttentionOutputs(o, lse),
          dO,
          new GradientOutputs(dq, dk, dv, dBias),
          statistics);
      return statistics;
    }

    @Override
    public void close() {
      made.reversed().forEach(Tensor::close);
    }
  }
}
