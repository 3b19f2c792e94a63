// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/**
 * What travels and what is computed where, when a block of one side visits the ranks that keep the
 * other. A block's home is the rank it belongs to, a worker a rank that it visits.
 */
abstract class Blocks {
  final AttentionProblem problem;
  final AttentionSizes sizes;
  final Shards shards;
  final Reach reach;
  final Pass pass;
  final Machine machine;

  Blocks(AttentionProblem problem, Pass pass, Machine machine) {
    this.problem = problem;
    this.sizes = problem.sizes();
    this.shards = problem.shards();
    this.reach = problem.reach();
    this.pass = pass;
    this.machine = machine;
  }

  static Blocks ofQueries(AttentionProblem problem, Pass pass, Machine machine) {
    return new QueryBlocks(problem, pass, machine);
  }

  static Blocks ofKeys(AttentionProblem problem, Pass pass, Machine machine) {
    return new KeyBlocks(problem, pass, machine);
  }

  int ranks() {
    return problem.ranks();
  }

  boolean isForward() {
    return pass == Pass.FORWARD;
  }

  /** Whether home's block has anything to do at another rank. */
  abstract boolean visits(int home, int worker);

  /** Bytes of a block. */
  abstract long block(int home);

  /** Bytes of what only this worker needs of home. */
  abstract long side(int home, int worker);

  /** Bytes of a worker's result for home. */
  abstract long result(int home, int worker);

  /** Bytes of the sum of several results before it is sent. */
  abstract long sum(int home);

  /** Reserves what a rank needs beside messages. */
  abstract void reserve(int rank, Workspace workspace);

  /** Seconds for a rank to ready its own block and accumulators. */
  abstract double beginSeconds(int rank);

  /** Seconds for a worker to compute home's block. */
  abstract double visitorSeconds(int home, int worker);

  /** Seconds for home to merge one result, or for a door to. */
  abstract double mergeSeconds(int home, int worker);

  /** Seconds for a rank's own queries and keys: the first part of two, or all in one. */
  final double ownFirstSeconds(int rank) {
    return attentionSeconds(rank, rank) * firstPart(rank);
  }

  /** Seconds for the rest of {@link #ownFirstSeconds}. */
  final double ownSecondSeconds(int rank) {
    return attentionSeconds(rank, rank) * (1 - firstPart(rank));
  }

  /** The parts take as long as what they hide: a block and a result. */
  private double firstPart(int rank) {
    double result = result(rank, rank);
    return splits(rank) && result > 0 ? block(rank) / (block(rank) + result) : 1;
  }

  /** Whether there is a transfer to hide behind each part of a rank's own block. */
  final boolean splits(int rank) {
    return reach.queriesSeeOthers(rank) || reach.keysSeenByOthers(rank);
  }

  /** The kernel for the queries of one rank and the keys of another. */
  final double attentionSeconds(int queriesOf, int keysOf) {
    return attentionSeconds(
        machine,
        sizes,
        pass,
        reach.pairs(queriesOf, keysOf),
        shards.queries(queriesOf),
        shards.keys(keysOf));
  }

  /** The kernel: held up by its operations, or by reading its inputs and writing its outputs. */
  static double attentionSeconds(
      Machine machine, AttentionSizes sizes, Pass pass, double pairs, long queries, long keys) {
    if (pairs == 0) {
      return 0;
    }
    long elements = 2 * (sizes.queryElements(queries) + sizes.keyElements(keys));
    long passes = pass == Pass.FORWARD ? 1 : 2; // backward has as many outputs as inputs
    return machine.seconds(
        sizes.flops(pairs, pass), passes * elements * sizes.elementBytes(), pass);
  }

  /** Moves memory, read and written. */
  final double copySeconds(long bytes) {
    return machine.seconds(0, 2 * bytes, pass);
  }

  final void reserveBiasGradient(int rank, Workspace workspace) {
    reserveBiasGradient(problem, pass, rank, workspace);
  }

  /** The caller's tensor will not do to sum in unless it has the accumulator's dtype. */
  static void reserveBiasGradient(
      AttentionProblem problem, Pass pass, int rank, Workspace workspace) {
    BiasShape bias = problem.bias();
    AttentionSizes sizes = problem.sizes();
    if (pass == Pass.BACKWARD && bias != null && bias.dtype() != sizes.dtype().accumulator()) {
      workspace.reserve(
          problem.biasGradientBytes(rank, sizes.heads(), problem.shards().allQueries()));
    }
  }
}
