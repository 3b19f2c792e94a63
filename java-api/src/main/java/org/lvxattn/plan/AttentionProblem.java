// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.jspecify.annotations.Nullable;
import org.lvxattn.Pass;
import org.lvxattn.internal.Preconditions;

/**
 * One attention call over all ranks.
 *
 * @param sizes what the ranks have in common
 * @param shards how many queries and keys each rank holds
 * @param rankVisibility which ranks' queries see which ranks' keys
 * @param bias the bias that is added to the logits, or null
 * @param stridedQueries whether q's rows are not contiguous, for instance because q is a slice of a
 *     wider tensor; it must then be packed before it is sent
 */
public record AttentionProblem(
    AttentionSizes sizes,
    Shards shards,
    RankVisibility rankVisibility,
    @Nullable BiasShape bias,
    boolean stridedQueries) {
  /**
   * Checks the components.
   *
   * @throws NullPointerException if sizes, shards or rankVisibility is null
   * @throws IllegalArgumentException if shards and rankVisibility differ in the number of ranks
   */
  public AttentionProblem {
    Preconditions.present(sizes, "sizes");
    Preconditions.present(shards, "shards");
    Preconditions.present(rankVisibility, "rankVisibility");
    Preconditions.require(
        rankVisibility.ranks() == shards.ranks(),
        "ranks of rankVisibility",
        rankVisibility.ranks(),
        "as of shards");
  }

  /** A problem in which every query sees every key, without a bias and with a contiguous q. */
  public static AttentionProblem of(AttentionSizes sizes, Shards shards) {
    return new AttentionProblem(
        sizes, shards, RankVisibility.everything(sizes.batch(), shards), null, false);
  }

  /** This problem with the given visibility between ranks. */
  public AttentionProblem withRankVisibility(RankVisibility rankVisibility) {
    return new AttentionProblem(sizes, shards, rankVisibility, bias, stridedQueries);
  }

  /** This problem with the given bias. */
  public AttentionProblem withBias(BiasShape bias) {
    return new AttentionProblem(sizes, shards, rankVisibility, bias, stridedQueries);
  }

  /** This problem with a q whose rows are not contiguous. */
  public AttentionProblem withStridedQueries() {
    return new AttentionProblem(sizes, shards, rankVisibility, bias, true);
  }

  /** Number of ranks. */
  public int ranks() {
    return shards.ranks();
  }

  /** Floating-point operations of all ranks, over the visible pairs. */
  public double flops(Pass pass) {
    double pairs = 0;
    for (int home = 0; home < ranks(); home++) {
      for (int rank = 0; rank < ranks(); rank++) {
        pairs += rankVisibility.pairs(home, rank);
      }
    }
    return sizes.flops(pairs, pass);
  }

  /** Number of terms in which lse is kept and sent. */
  int lseTerms() {
    return bias == null ? 1 : 2;
  }
}
