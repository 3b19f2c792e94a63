// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayList;
import java.util.List;
import org.lvxattn.Pass;
import org.lvxattn.Strategy;
import org.lvxattn.internal.Preconditions;

/**
 * Predicts the cost of each strategy on given machines and links. Immutable. Its answers depend
 * only on its input, so ranks with the same input get the same answer.
 */
public final class Planner {
  private final Machine machine;
  private final Topology topology;
  private final KernelScratch scratch;

  /**
   * A planner for ranks with equal machines. Planned memory excludes the kernels' scratch.
   *
   * @throws NullPointerException if an argument is null
   */
  public Planner(Machine machine, Topology topology) {
    this(machine, topology, KernelScratch.NONE);
  }

  private Planner(Machine machine, Topology topology, KernelScratch scratch) {
    this.machine = Preconditions.present(machine, "machine");
    this.topology = Preconditions.present(topology, "topology");
    this.scratch = Preconditions.present(scratch, "scratch");
  }

  /**
   * This planner, but planned memory includes the scratch of a device's kernels, so that planned
   * peaks equal those of calls on that device. It can be used while the device is open, on the
   * thread that owns it.
   *
   * @throws NullPointerException if scratch is null
   */
  public Planner withScratch(KernelScratch scratch) {
    return new Planner(machine, topology, scratch);
  }

  /**
   * The cost of every strategy.
   *
   * @throws IllegalArgumentException if the problem is too large to be planned; the message says
   *     which size
   * @throws LinkageError if the native library cannot be loaded; the message says what to do
   */
  public Plan plan(AttentionProblem problem, Pass pass) {
    List<StrategyPlan> rows = new ArrayList<>();
    for (Strategy strategy : Strategy.schedules()) {
      rows.add(plan(problem, pass, strategy));
    }
    return new Plan(rows);
  }

  /**
   * Predicts the cost of one strategy.
   *
   * @throws IllegalArgumentException if strategy is {@link Strategy#AUTO}, or as {@link
   *     #plan(AttentionProblem, Pass)}
   */
  public StrategyPlan plan(AttentionProblem problem, Pass pass, Strategy strategy) {
    if (pass == Pass.BOTH) {
      StrategyPlan forward = plan(problem, Pass.FORWARD, strategy);
      return forward.isSupported() ? forward.plus(plan(problem, Pass.BACKWARD, strategy)) : forward;
    }
    List<RankProgram> programs = new ArrayList<>();
    List<RankPlan> ranks = new ArrayList<>();
    StepCosts costs = new StepCosts(problem, pass, machine);
    try (Recording recording = record(problem, pass, strategy)) {
      for (int rank = 0; rank < problem.ranks(); rank++) {
        String obstacle = recording.recordSteps(rank);
        if (obstacle != null) {
          return StrategyPlan.unsupported(strategy, obstacle);
        }
        RankProgram program = recording.program(costs);
        programs.add(program);
        ranks.add(recording.costs(program.computeSeconds()));
      }
    }
    Simulation.Outcome outcome = Simulation.run(topology, programs);
    return new StrategyPlan(
        strategy, null, ranks, outcome.seconds(), outcome.exposedSeconds(), outcome.linkSeconds());
  }

  /**
   * Predicts the cost of a strategy for one rank. The time and memory of this prediction do not
   * grow with the other ranks' work.
   *
   * @param rank 0 to the number of ranks - 1
   * @throws IllegalArgumentException if the problem has no such rank, the strategy cannot serve the
   *     problem, or as {@link #plan(AttentionProblem, Pass, Strategy)}
   */
  public RankPlan plan(AttentionProblem problem, Pass pass, Strategy strategy, int rank) {
    if (pass == Pass.BOTH) {
      return plan(problem, Pass.FORWARD, strategy, rank)
          .plus(plan(problem, Pass.BACKWARD, strategy, rank));
    }
    try (Recording recording = record(problem, pass, strategy)) {
      String obstacle = recording.recordSteps(rank);
      Preconditions.require(
          obstacle == null, "strategy", strategy, "one that can serve (" + obstacle + ")");
      RankProgram program = recording.program(new StepCosts(problem, pass, machine));
      return recording.costs(program.computeSeconds());
    }
  }

  private Recording record(AttentionProblem problem, Pass pass, Strategy strategy) {
    return Recording.of(problem, pass, strategy, topology.ranksPerNode(), scratch);
  }
}
