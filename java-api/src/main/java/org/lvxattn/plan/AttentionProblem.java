// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One call as all its ranks know it.
 *
 * @param sizes what the ranks have in common
 * @param shards what each of them keeps
 * @param reach whose queries see whose keys
 * @param bias what is added to the logits, or null
 */
public record AttentionProblem(
    AttentionSizes sizes, Shards shards, Reach reach, @Nullable BiasShape bias) {
  /**
   * Checks the components.
   *
   * @throws NullPointerException if sizes, shards or reach is null
   * @throws IllegalArgumentException if shards and reach are of different numbers of ranks
   */
  public AttentionProblem {
    Objects.requireNonNull(sizes, "sizes is null");
    Objects.requireNonNull(shards, "shards is null");
    Objects.requireNonNull(reach, "reach is null");
    Checks.require(
        reach.ranks() == shards.ranks(), "ranks of reach", reach.ranks(), "as of shards");
  }

  /** Every query sees every key, without a bias. */
  public static AttentionProblem of(AttentionSizes sizes, Shards shards) {
    return new AttentionProblem(sizes, shards, Reach.everything(sizes.batch(), shards), null);
  }

  /** This problem with that reach. */
  public AttentionProblem withReach(Reach reach) {
    return new AttentionProblem(sizes, shards, reach, bias);
  }

  /** This problem with a bias. */
  public AttentionProblem withBias(BiasShape bias) {
    return new AttentionProblem(sizes, shards, reach, bias);
  }

  /** Number of ranks. */
  public int ranks() {
    return shards.ranks();
  }

  /** Floating-point operations of all ranks, over the pairs that are visible. */
  public double flops(Pass pass) {
    double pairs = 0;
    for (int home = 0; home < ranks(); home++) {
      for (int rank = 0; rank < ranks(); rank++) {
        pairs += reach.pairs(home, rank);
      }
    }
    return sizes.flops(pairs, pass);
  }

  /** In how many terms lse is kept and travels. */
  int lseTerms() {
    return bias == null ? 1 : 2;
  }

  /** Bytes of home's visibility. */
  long rangeBytes(int home) {
    return (long) sizes.batch() * shards.queries(home) * reach.ranges(home) * 2 * Integer.BYTES;
  }

  /** Bytes of the part of the bias of home's keys for some queries and heads, in its own dtype. */
  long biasBytes(int home, int heads, long queries) {
    return bias == null
        ? 0
        : bias.elements(sizes, heads, queries, shards.keys(home)) * bias.dtype().bytes();
  }

  /** As {@link #biasBytes}, of the gradient on its way: 0 unless wanted. */
  long biasGradientBytes(int home, int heads, long queries) {
    return bias == null || !bias.gradient()
        ? 0
        : bias.elements(sizes, heads, queries, shards.keys(home)) * sizes.accumulatorBytes();
  }
}
