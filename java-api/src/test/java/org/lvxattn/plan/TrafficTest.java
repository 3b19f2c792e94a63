// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Group;
import org.lvxattn.GroupOptions;
import org.lvxattn.Link;
import org.lvxattn.LocalWorld;
import org.lvxattn.Mask;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.UnsupportedRequestException;

/** What calls send and hold is what was planned, to the byte. */
@Timeout(300)
class TrafficTest {
  private static final int PROBLEMS = 240;

  /** Strategies whose kernels meet the same blocks, and so need the same scratch. */
  private static final List<List<Strategy>> ALIKE =
      List.of(
          List.of(Strategy.QUERY_RING, Strategy.QUERY_GATHER, Strategy.TWO_LEVEL),
          List.of(Strategy.KV_RING, Strategy.KV_GATHER));

  private int served;
  private int refused;

  /** What one rank counted. */
  private record Counts(long bytes, long messages, long interNodeBytes, long peakBytes) {
    static Counts of(Statistics statistics) {
      return new Counts(
          statistics.bytesSent(),
          statistics.messagesSent(),
          statistics.interNodeBytesSent(),
          statistics.peakBytes());
    }

    static Counts of(RankPlan plan, long scratch) {
      return new Counts(
          plan.bytes(), plan.messages(), plan.interNodeBytes(), plan.peakBytes() + scratch);
    }
  }

  @Test
  void isExactForEveryScheduleOnRandomShapesSplitsAndMasks() {
    for (int seed = 0; seed < PROBLEMS; seed++) {
      check(seed);
    }
    assertThat(served).isGreaterThan(10 * PROBLEMS);
    assertThat(refused).isGreaterThan(PROBLEMS / 10);
  }

  private void check(int seed) {
    RandomProblem random = new RandomProblem(seed);
    AttentionProblem problem = random.problem;
    Topology topology = new Topology(random.ranksPerNode, Link.INSTANT, Link.INSTANT, false);
    Planner planner = new Planner(Machine.ofRate(1e9), topology);
    GroupOptions options = GroupOptions.defaults().withRanksPerNode(random.ranksPerNode);
    List<Map<Strategy, List<Counts>>> counted =
        LocalWorld.run(problem.ranks(), options, group -> count(group, random));
    for (int part = 0; part < 2; part++) {
      Pass pass = part == 0 ? Pass.FORWARD : Pass.BACKWARD;
      for (int rank = 0; rank < problem.ranks(); rank++) {
        Map<Strategy, Counts> actual = new EnumMap<>(Strategy.class);
        for (Map.Entry<Strategy, List<Counts>> entry : counted.get(rank).entrySet()) {
          actual.put(entry.getKey(), entry.getValue().get(part));
        }
        compare(
            "seed " + seed + ", rank " + rank + ", " + pass, planner, problem, pass, rank, actual);
      }
    }
  }

  private void compare(
      String where,
      Planner planner,
      AttentionProblem problem,
      Pass pass,
      int rank,
      Map<Strategy, Counts> actual) {
    Map<List<Strategy>, Long> scratchOfAlike = new HashMap<>();
    for (StrategyPlan row : planner.plan(problem, pass).rows()) {
      Counts counts = actual.get(row.strategy());
      assertThat(counts == null).as(where + ", refused").isEqualTo(!row.isSupported());
      if (counts == null) {
        refused++;
        continue;
      }
      served++;
      RankPlan plan = row.ranks().get(rank);
      long scratch = counts.peakBytes() - plan.peakBytes();
      assertThat(scratch).as(where + ", scratch of " + row.strategy()).isNotNegative();
      for (List<Strategy> alike : ALIKE) {
        if (alike.contains(row.strategy())) {
          Long first = scratchOfAlike.putIfAbsent(alike, scratch);
          scratch = first == null ? scratch : first;
        }
      }
      assertThat(counts).as(where + ", " + row.strategy()).isEqualTo(Counts.of(plan, scratch));
    }
  }

  /** Forward's and backward's counts of this rank by strategy, without those that are refused. */
  private static Map<Strategy, List<Counts>> count(Group group, RandomProblem random) {
    AttentionProblem problem = random.problem;
    AttentionSizes sizes = problem.sizes();
    Map<Strategy, List<Counts>> counts = new EnumMap<>(Strategy.class);
    try (RankTensors tensors = new RankTensors(group, random)) {
      for (StrategyPlan row :
          new Planner(Machine.ofRate(1), Topology.oneNode(Link.INSTANT))
              .plan(problem, Pass.FORWARD)
              .rows()) {
        CrossAttention attention =
            CrossAttention.builder()
                .heads(sizes.heads())
                .keyValueHeads(sizes.keyValueHeads())
                .headDim(sizes.headDim())
                .strategy(row.strategy())
                .build();
        if (!row.isSupported()) {
          assertThatExceptionOfType(UnsupportedRequestException.class)
              .isThrownBy(() -> tensors.forward(attention))
              .withMessageContaining("HEAD_ALL_TO_ALL");
          continue;
        }
        counts.put(
            row.strategy(),
            List.of(Counts.of(tensors.forward(attention)), Counts.of(tensors.backward(attention))));
      }
    }
    return counts;
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

    RankTensors(Group group, RandomProblem random) {
      this.group = group;
      AttentionProblem problem = random.problem;
      AttentionSizes sizes = problem.sizes();
      DType dtype = sizes.dtype();
      long queries = problem.shards().queries(group.rank());
      long keys = problem.shards().keys(group.rank());
      long[] queryShape = {sizes.batch(), queries, sizes.heads(), sizes.headDim()};
      long[] keyShape = {sizes.batch(), keys, sizes.keyValueHeads(), sizes.headDim()};
      q = add(dtype, queryShape);
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

    Statistics forward(CrossAttention attention) {
      Statistics statistics = Statistics.create();
      attention.forwardInto(group, q, k, v, mask, o, lse, statistics);
      return statistics;
    }

    Statistics backward(CrossAttention attention) {
      Statistics statistics = Statistics.create();
      attention.backwardInto(group, q, k, v, mask, o, lse, dO, dq, dk, dv, dBias, statistics);
      return statistics;
    }

    @Override
    public void close() {
      made.forEach(Tensor::close);
    }
  }
}
