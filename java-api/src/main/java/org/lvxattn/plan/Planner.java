// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Strategy;

/**
 * Says what each strategy costs on given machines and links. Immutable; its answers depend on its
 * input alone, so all ranks that agree on that come to the same.
 */
public final class Planner {
  private final Machine machine;
  private final Topology topology;

  /**
   * A planner for ranks that are all alike.
   *
   * @throws NullPointerException if an argument is null
   */
  public Planner(Machine machine, Topology topology) {
    this.machine = Objects.requireNonNull(machine, "machine is null");
    this.topology = Objects.requireNonNull(topology, "topology is null");
  }

  /** What every strategy costs. */
  public Plan plan(AttentionProblem problem, Pass pass) {
    List<StrategyPlan> rows = new ArrayList<>();
    for (Strategy strategy : Strategy.schedules()) {
      rows.add(plan(problem, pass, strategy));
    }
    return new Plan(rows);
  }

  /**
   * What one strategy costs.
   *
   * @throws IllegalArgumentException if strategy is {@link Strategy#AUTO}
   */
  public StrategyPlan plan(AttentionProblem problem, Pass pass, Strategy strategy) {
    if (pass == Pass.BOTH) {
      StrategyPlan forward = plan(problem, Pass.FORWARD, strategy);
      return forward.isSupported() ? forward.plus(plan(problem, Pass.BACKWARD, strategy)) : forward;
    }
    String obstacle = obstacle(problem, strategy);
    if (obstacle != null) {
      return StrategyPlan.unsupported(strategy, obstacle);
    }
    Schedule schedule = schedule(problem, pass, strategy);
    List<RankProgram> programs = new ArrayList<>();
    List<RankPlan> ranks = new ArrayList<>();
    for (int rank = 0; rank < problem.ranks(); rank++) {
      RankProgram program = schedule.program(rank);
      programs.add(program);
      ranks.add(program.cost(rank, topology, schedule.workspaceBytes(rank)));
    }
    Simulation.Outcome outcome = Simulation.run(topology, programs);
    return new StrategyPlan(
        strategy, null, ranks, outcome.seconds(), outcome.exposedSeconds(), outcome.linkSeconds());
  }

  private static @Nullable String obstacle(AttentionProblem problem, Strategy strategy) {
    if (problem.reach().hasVisibility() && problem.shards().allKeys() > Integer.MAX_VALUE) {
      return "visibility counts keys in int32, but there are " + problem.shards().allKeys();
    }
    return strategy == Strategy.HEAD_ALL_TO_ALL
        ? HeadSchedule.obstacle(problem.sizes(), problem.ranks())
        : null;
  }

  private Schedule schedule(AttentionProblem problem, Pass pass, Strategy strategy) {
    return switch (strategy) {
      case AUTO ->
          throw new IllegalArgumentException(
              "strategy is AUTO; one that says what moves was expected");
      case QUERY_RING -> new RingSchedule(Blocks.ofQueries(problem, pass, machine));
      case QUERY_GATHER -> new GatherSchedule(Blocks.ofQueries(problem, pass, machine));
      case KV_RING -> new RingSchedule(Blocks.ofKeys(problem, pass, machine));
      case KV_GATHER -> new GatherSchedule(Blocks.ofKeys(problem, pass, machine));
      case HEAD_ALL_TO_ALL -> new HeadSchedule(problem, pass, machine);
      case TWO_LEVEL ->
          new TwoLevelSchedule(Blocks.ofQueries(problem, pass, machine), topology.ranksPerNode());
    };
  }
}
