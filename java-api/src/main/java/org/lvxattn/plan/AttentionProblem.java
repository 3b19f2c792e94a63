// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.jspecify.annotations.Nullable;
import org.lvxattn.Pass;
import org.lvxattn.internal.Preconditions;

/**
 * One call over all its ranks.
 *
 * @param sizes what the ranks have in common
 * @param shards what each of them keeps
 * @param reach whose queries see whose keys
 * @param bias what is added to the logits, or null
 * @param stridedQueries whether q's rows lie apart, as those of a part of a wider tensor do: where
 *     q is sent, it has to be packed then
 */
public record AttentionProblem(
    AttentionSizes sizes,
    Shards shards,
    Reach reach,
    @Nullable BiasShape bias,
    boolean stridedQueries) {
  /**
   * Checks the components.
   *
   * @throws NullPointerException if sizes, shards or reach is null
   * @throws IllegalArgumentException if shards and reach are of different numbers of ranks
   */
  public AttentionProblem {
    Preconditions.present(sizes, "sizes");
    Preconditions.present(shards, "shards");
    Preconditions.present(reach, "reach");
    Preconditions.require(
        reach.ranks() == shards.ranks(), "ranks of reach", reach.ranks(), "as of shards");
  }

  /** Every query sees every key, without a bias; q lies compact. */
  public static AttentionProblem of(AttentionSizes sizes, Shards shards) {
    return new AttentionProblem(
        sizes, shards, Reach.everything(sizes.batch(), shards), null, false);
  }

  /** This problem with that reach. */
  public AttentionProblem withReach(Reach reach) {
    return new AttentionProblem(sizes, shards, reach, bias, stridedQueries);
  }

  /** This problem with a bias. */
  public AttentionProblem withBias(BiasShape bias) {
    return new AttentionProblem(sizes, shards, reach, bias, stridedQueries);
  }

  /** This problem with a q whose rows lie apart. */
  public AttentionProblem withStridedQueries() {
    return new AttentionProblem(sizes, shards, reach, bias, true);
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
}
