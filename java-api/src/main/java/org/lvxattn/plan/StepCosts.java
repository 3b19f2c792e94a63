// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.lvxattn.Pass;

/**
 * How long a machine takes for each computation of a rank.
 *
 * @param problem the call
 * @param pass FORWARD or BACKWARD
 * @param machine the machine of each rank
 */
record StepCosts(AttentionProblem problem, Pass pass, Machine machine) {
  /**
   * The attention kernel, for queries of one rank and keys of another, or a part of them. It is
   * bound by compute, or by reading its inputs and writing its outputs.
   */
  double attentionSeconds(
      int queryRank, int keyRank, long queries, long keys, int heads, int keyHeads) {
    AttentionSizes all = problem.sizes();
    Shards shards = problem.shards();
    double part =
        ((double) queries / shards.queries(queryRank)) * ((double) keys / shards.keys(keyRank));
    double pairs = problem.rankVisibility().pairs(queryRank, keyRank) * part;
    if (pairs == 0) {
      return 0;
    }
    double flops = all.flops(pairs, pass) * ((double) heads / all.heads());
    long rows = queries * heads + keys * keyHeads;
    long elements = 2L * all.batch() * rows * all.headDim();
    long passes = pass == Pass.FORWARD ? 1 : 2; // backward has as many outputs as inputs
    return machine.seconds(flops, passes * elements * all.elementBytes(), pass);
  }

  /** Matrix products, at the same rate as attention. */
  double productSeconds(double flops) {
    return machine.seconds(flops, 0, pass);
  }

  /** Work that reads and writes the given number of bytes. */
  double memorySeconds(long bytes) {
    return machine.seconds(0, bytes, pass);
  }
}
