// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.DType;
import org.lvxattn.Pass;
import org.lvxattn.Strategy;

/** The planner on sizes whose costs can be computed by hand. */
class PlannerTest {
  private static final AttentionSizes LLAMA = new AttentionSizes(1, 32, 8, 128, DType.BFLOAT16);
  private static final double FLOPS = 100e12;
  private static final double BANDWIDTH = 25e9;

  private static Planner planner(double flops, Link link) {
    return new Planner(Machine.ofRate(flops), Topology.oneNode(link));
  }

  private static AttentionProblem even(AttentionSizes sizes, long queries, long keys, int ranks) {
    return AttentionProblem.of(sizes, Shards.even(queries, keys, ranks));
  }

  @ParameterizedTest
  @CsvSource({"64, BFLOAT16", "1024, BFLOAT16", "8192, BFLOAT16", "1024, FLOAT32"})
  void forwardOfQueryRingHidesFromSoManyKeysOnWhateverTheQueries(long localQueries, DType dtype) {
    int ranks = 8;
    AttentionSizes sizes = new AttentionSizes(1, 32, 8, 128, dtype);
    // A query of one head costs 4 D operations per key, and moves D elements of q and D
    // accumulators of o. So compute hides transfers from FLOPS / bandwidth keys per round on, and
    // from more with wider elements.
    double elements = (dtype.bytes() + dtype.accumulator().bytes()) / 4.0;
    double limit = elements * FLOPS / BANDWIDTH;
    Planner planner = planner(FLOPS, new Link(BANDWIDTH, 0));
    StrategyPlan enough = ring(planner, sizes, localQueries, Math.round(1.01 * limit), ranks);
    // Sending the last result takes a little longer than the half of the own block that hides it.
    double step = enough.computeSeconds() / ranks;
    assertThat(enough.exposedSeconds()).isLessThan(0.2 * step);
    StrategyPlan tooFew = ring(planner, sizes, localQueries, Math.round(0.5 * limit), ranks);
    assertThat(tooFew.exposedSeconds()).isGreaterThan(0.4 * tooFew.seconds());
  }

  private static StrategyPlan ring(
      Planner planner, AttentionSizes sizes, long localQueries, long localKeys, int ranks) {
    return planner.plan(
        even(sizes, localQueries * ranks, localKeys * ranks, ranks),
        Pass.FORWARD,
        Strategy.QUERY_RING);
  }

  @ParameterizedTest
  @CsvSource({"1, 2", "100, 103", "101, 100", "2, 1", "8, 1000", "1000, 8"})
  void movingQueriesPaysWhileTheirHeadsAreFewerThanThoseOfTheKeys(long queries, long keys) {
    // No latency, no compute, and log-sum-exps of 1 / 512 of the data: only the data that move
    // count.
    AttentionSizes sizes = new AttentionSizes(1, 8, 8, 256, DType.FLOAT64);
    Planner planner = planner(1e30, new Link(BANDWIDTH, 0));
    AttentionProblem problem = even(sizes, queries * 1000, keys * 1000, 4);
    double moveQueries = planner.plan(problem, Pass.FORWARD, Strategy.QUERY_RING).seconds();
    double moveKeys = planner.plan(problem, Pass.FORWARD, Strategy.KV_RING).seconds();
    assertThat(moveQueries < moveKeys).isEqualTo(queries < keys);
  }

  @Test
  void aRingTakesTheLongerOfComputingAndMovingInEachStep() {
    AttentionSizes sizes = new AttentionSizes(1, 1, 1, 8, DType.FLOAT32);
    int ranks = 4;
    AttentionProblem problem = even(sizes, ranks, 10L * ranks, ranks);
    double visit = 4 * 8 * 10; // operations of one query and ten keys, at 1 per second
    double out = 8 * 4;
    double back = 8 * 4 + 4;
    StrategyPlan fast =
        planner(1, new Link(1e3, 0)).plan(problem, Pass.FORWARD, Strategy.QUERY_RING);
    assertThat(fast.seconds()).isEqualTo(ranks * visit, within(1e-9));
    assertThat(fast.exposedSeconds()).isZero();
    // At a thousandth of that rate, the transfers of the steps count: out; out; out and back; back;
    // back.
    StrategyPlan slow =
        planner(1e9, new Link(1, 0)).plan(problem, Pass.FORWARD, Strategy.QUERY_RING);
    assertThat(slow.seconds()).isEqualTo(3 * out + 3 * back, within(1e-3));
    assertThat(slow.linkSeconds()).isEqualTo(3 * out + 3 * back);
    assertThat(slow.hiddenSeconds()).isLessThan(1e-3);
  }

  @Test
  void latencyCountsForEveryStepOfARingAndTwiceForAGather() {
    AttentionProblem problem = even(LLAMA, 8, 8000, 8);
    Planner planner = planner(1e30, new Link(1e18, 1));
    assertThat(planner.plan(problem, Pass.FORWARD, Strategy.QUERY_RING).seconds())
        .isEqualTo(9, within(1e-6)); // blocks move in 7 steps, the last results in 2 more
    assertThat(planner.plan(problem, Pass.FORWARD, Strategy.QUERY_GATHER).seconds())
        .isEqualTo(2, within(1e-6));
    assertThat(planner.plan(problem, Pass.FORWARD, Strategy.KV_GATHER).seconds())
        .isEqualTo(1, within(1e-6)); // nothing goes home
  }

  @ParameterizedTest
  @CsvSource({"4, 4", "8, 2", "12, 3", "6, 1"})
  void twoLevelSendsAnNthBetweenNodes(int ranks, int perNode) {
    Topology topology = new Topology(perNode, Link.INSTANT, new Link(BANDWIDTH, 0), false);
    Planner planner = new Planner(Machine.ofRate(FLOPS), topology);
    AttentionProblem problem = even(LLAMA, 64L * ranks, 1000L * ranks, ranks);
    for (Pass pass : Pass.values()) {
      StrategyPlan ring = planner.plan(problem, pass, Strategy.QUERY_RING);
      StrategyPlan twoLevel = planner.plan(problem, pass, Strategy.TWO_LEVEL);
      assertThat(twoLevel.busiestInterNodeBytes() * perNode)
          .isLessThanOrEqualTo(ring.busiestInterNodeBytes());
    }
  }

  @Test
  void backwardSendsAtMostThreeQuartersOfWhatThePublishedSchemeDoes() {
    int ranks = 8;
    long queries = 1024;
    for (int headDim : new int[] {64, 96, 128, 256}) {
      AttentionSizes sizes = new AttentionSizes(1, 32, 8, headDim, DType.FLOAT16);
      StrategyPlan ring =
          planner(FLOPS, new Link(BANDWIDTH, 0))
              .plan(even(sizes, queries, 100_000, ranks), Pass.BACKWARD, Strategy.QUERY_RING);
      long block = sizes.queryElements(queries / ranks) * sizes.elementBytes();
      long rows = sizes.rows(queries / ranks) * sizes.accumulatorBytes();
      long published = (ranks - 1) * (5 * block + rows); // q, o, dO, lse out; dq back
      assertThat(ring.busiestBytes()).isLessThanOrEqualTo(published * 77 / 100);
    }
  }

  @Test
  void sharedLinksAreSharedByTheRanksOfANode() {
    AttentionProblem problem = even(LLAMA, 4096, 4000, 8);
    Link inter = new Link(1e9, 0);
    Machine fast = Machine.ofRate(1e30);
    StrategyPlan own =
        new Planner(fast, new Topology(4, Link.INSTANT, inter, false))
            .plan(problem, Pass.FORWARD, Strategy.KV_GATHER);
    assertThat(own.seconds())
        .isEqualTo(own.busiestInterNodeBytes() / inter.bytesPerSecond(), within(1e-9));
    StrategyPlan shared =
        new Planner(fast, new Topology(4, Link.INSTANT, inter, true))
            .plan(problem, Pass.FORWARD, Strategy.KV_GATHER);
    assertThat(shared.seconds()).isEqualTo(4 * own.seconds(), within(1e-9));
  }

  @ParameterizedTest
  @EnumSource(Pass.class)
  void theChoiceIsAmongTheFastestAndTheSameEveryTime(Pass pass) {
    for (Preset preset : Preset.values()) {
      for (long keys = 1000; keys < 10_000_000; keys *= 10) {
        AttentionProblem problem = even(LLAMA, 1024, keys, 16);
        Plan plan = new Planner(preset.machine(), preset.topology()).plan(problem, pass);
        Plan again = new Planner(preset.machine(), preset.topology()).plan(problem, pass);
        assertThat(again).isEqualTo(plan);
        assertThat(plan.best().seconds())
            .isLessThanOrEqualTo(plan.rows().getFirst().seconds() * 1.01);
        assertThat(plan.rows()).hasSize(6);
      }
    }
  }

  @Test
  void aStrategyThatCannotServeSaysWhyAndIsNotChosen() {
    AttentionProblem problem = even(LLAMA, 1024, 100_000, 5);
    Plan plan =
        new Planner(Machine.ofRate(1e30), Topology.oneNode(new Link(1, 0)))
            .plan(problem, Pass.BOTH);
    StrategyPlan heads = plan.row(Strategy.HEAD_ALL_TO_ALL);
    assertThat(heads.isSupported()).isFalse();
    assertThat(heads.obstacle()).contains("32 query heads in groups of 4").contains("5 ranks");
    assertThat(plan.rows().getLast()).isEqualTo(heads);
    assertThat(plan.choice()).isNotEqualTo(Strategy.HEAD_ALL_TO_ALL);
  }

  @Test
  void operationsCountVisiblePairsOnly() {
    AttentionSizes sizes = new AttentionSizes(2, 4, 2, 16, DType.FLOAT32);
    Shards shards = new Shards(List.of(1L, 0L), List.of(3L, 4L));
    assertThat(AttentionProblem.of(sizes, shards).flops(Pass.FORWARD))
        .isEqualTo(4.0 * 2 * 4 * 1 * 7 * 16);
    RankVisibility rankVisibility =
        RankVisibility.ofRanges(2, shards, List.of(new int[] {2, 5, 6, 6}, new int[0]));
    AttentionProblem masked = AttentionProblem.of(sizes, shards).withRankVisibility(rankVisibility);
    assertThat(rankVisibility.pairs(0, 0)).isEqualTo(1);
    assertThat(rankVisibility.pairs(0, 1)).isEqualTo(2);
    assertThat(masked.flops(Pass.FORWARD)).isEqualTo(4.0 * 4 * 3 * 16);
    assertThat(masked.flops(Pass.BACKWARD)).isEqualTo(2.5 * masked.flops(Pass.FORWARD));
    assertThat(masked.flops(Pass.BOTH)).isEqualTo(3.5 * masked.flops(Pass.FORWARD));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.05, 0.3, 1})
  void anEstimateKeepsTheDensityAndLeavesRanksOut(double density) {
    int ranks = 10;
    Shards shards = Shards.even(1000, 100_000, ranks);
    RankVisibility rankVisibility = RankVisibility.estimate(1, shards, density);
    AttentionProblem whole = AttentionProblem.of(LLAMA, shards);
    AttentionProblem part = whole.withRankVisibility(rankVisibility);
    assertThat(part.flops(Pass.FORWARD))
        .isEqualTo(density * whole.flops(Pass.FORWARD), within(1e-9 * whole.flops(Pass.FORWARD)));
    Planner planner = planner(FLOPS, new Link(BANDWIDTH, 0));
    long sent = planner.plan(part, Pass.FORWARD, Strategy.KV_RING).busiestBytes();
    long all = planner.plan(whole, Pass.FORWARD, Strategy.KV_RING).busiestBytes();
    assertThat(sent < all).isEqualTo(density < 1);
  }

  @Test
  void decodingGathersQueries() {
    Preset preset = Preset.H100_50;
    Planner planner = new Planner(preset.machine(), preset.topology());
    assertThat(planner.plan(even(LLAMA, 1, 1_000_000, 8), Pass.FORWARD).choice())
        .isEqualTo(Strategy.QUERY_GATHER);
  }

  @Test
  void oneRankSendsNothing() {
    Plan plan = planner(FLOPS, Link.INSTANT).plan(even(LLAMA, 128, 1000, 1), Pass.BOTH);
    for (StrategyPlan row : plan.rows()) {
      assertThat(row.busiestBytes()).isZero();
      assertThat(row.exposedSeconds()).isZero();
      assertThat(row.seconds()).isEqualTo(LLAMA.flops(128_000, Pass.BOTH) / FLOPS, within(1e-12));
    }
  }

  @Test
  void wrongNumbersAreNamed() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new AttentionSizes(1, 3, 2, 64, DType.FLOAT32))
        .withMessage("heads is 3; a multiple of the 2 key heads was expected");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Shards(List.of(1L), List.of()))
        .withMessageStartingWith("keys is []; 1 numbers");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Machine.ofRate(Double.NaN))
        .withMessageContaining("forwardFlopsPerSecond is NaN");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> RankVisibility.estimate(1, Shards.even(1, 1, 1), 0))
        .withMessageContaining("density is 0.0");
    assertThatIllegalArgumentException()
        .isThrownBy(
            () -> RankVisibility.ofRanges(1, Shards.even(2, 2, 1), List.of(new int[] {0, 1, 0})))
        .withMessageContaining("length of rank 0's ranges is 3; a multiple of 4");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> RankVisibility.of(Collections.nCopies(2, new long[1]), List.of(1, 1)))
        .withMessageContaining("2 numbers from 0 on");
  }
}
