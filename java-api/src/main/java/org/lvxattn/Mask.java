// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Preconditions;

/**
 * Which keys a query sees, and what is added to its logits. Immutable; it refers to tensors that
 * the caller owns.
 *
 * <p><i>Visibility</i> is int32 {@code [batch, queries, R, 2]}, for this rank's queries. Each query
 * has R half-open ranges of the group's keys (all ranks' shards in rank order). They are
 * non-negative, ascending and disjoint. They may end beyond the keys, and empty ones (begin equals
 * end) may be anywhere. On a CPU device a call with any other range, for instance an inverted one,
 * throws an {@link IllegalArgumentException}. A CUDA device does not check: inverted ranges count
 * as empty, and unordered or overlapping ones give wrong results. Keys outside all ranges may have
 * any value, NaN included. Visibility is sent with the queries.
 *
 * <p>So rows are local and columns are global. In a group of two ranks, rank 0 with 2 queries and 4
 * keys, rank 1 with 1 query and 3 keys:
 *
 * <pre>
 *                   columns: the keys of the group
 *                     of rank 0   | of rank 1
 *                   0   1   2   3 | 4   5   6
 *                 +---------------+-----------+
 *  rank 0, row 0  | x   x   .   . | .   .   . |   rank 0 passes  [0, 2) [0, 0)
 *          row 1  | .   x   x   x | x   .   . |                  [1, 5) [0, 0)
 *                 +---------------+-----------+
 *  rank 1, row 0  | .   .   x   x | .   x   x |   rank 1 passes  [2, 4) [5, 7)
 *                 +---------------+-----------+
 * </pre>
 *
 * <p>Here R is 2, and {@code [0, 0)} is an empty range. Rank 0 passes {@code [1, 2, 2, 2]} and rank
 * 1 {@code [1, 1, 2, 2]}; ranks may differ in R. {@link Visibility} makes these tensors from
 * booleans, lists of ranges and {@code cu_seqlens}.
 *
 * <p><i>Bias</i> is {@code [batch or 1, heads or 1, the group's queries or 1, keys]} in the dtype
 * of the queries or float32 (float64 for float64). Each rank passes the columns of its own keys.
 * Entries are finite, or -infinity to hide a key. The bias is sent only by strategies that send
 * keys.
 *
 * <p>All ranks of a group pass visibility, or none does; the same holds for a bias.
 */
public final class Mask {
  private static final Mask NONE = new Mask(null, null);

  private final @Nullable Tensor visibility;
  private final @Nullable Tensor bias;

  private Mask(@Nullable Tensor visibility, @Nullable Tensor bias) {
    this.visibility = visibility;
    this.bias = bias;
  }

  /** A mask with which every query sees every key. */
  public static Mask none() {
    return NONE;
  }

  /**
   * A mask with which queries see only the keys of their ranges.
   *
   * @param ranges int32 {@code [batch, queries, R, 2]}, for instance of {@link Visibility}; the
   *     caller closes it, once the mask is no longer used
   * @throws NullPointerException if ranges is null
   */
  public static Mask visible(Tensor ranges) {
    return new Mask(Preconditions.present(ranges, "ranges"), null);
  }

  /**
   * A mask whose bias is added to the scaled logits.
   *
   * @param bias {@code [batch or 1, heads or 1, the group's queries or 1, keys]}
   * @throws NullPointerException if bias is null
   */
  public static Mask bias(Tensor bias) {
    return new Mask(null, Preconditions.present(bias, "bias"));
  }

  /**
   * This mask with the given bias, which replaces any other.
   *
   * @param bias {@code [batch or 1, heads or 1, the group's queries or 1, keys]}
   * @throws NullPointerException if bias is null
   */
  public Mask withBias(Tensor bias) {
    return new Mask(visibility, Preconditions.present(bias, "bias"));
  }

  /** The ranges, or null if every query sees every key. */
  public @Nullable Tensor visibility() {
    return visibility;
  }

  /** The bias, or null if there is none. */
  public @Nullable Tensor bias() {
    return bias;
  }
}
