// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;

/**
 * Which keys a query sees, and what is added to its logits. Immutable; it refers to tensors that
 * stay the caller's.
 *
 * <p><i>Visibility</i> is int32 {@code [batch, queries, R, 2]}, of this rank's queries: for each
 * one, R half-open ranges of the group's keys (all ranks' shards in rank order), from 0 up,
 * ascending and disjoint. They may end beyond the keys, and empty ones (begin equals end) may stand
 * anywhere. Any other range, an inverted one too, is an {@link IllegalArgumentException} of the
 * call on a CPU device; a CUDA device does not look: it takes inverted ranges for empty ones, and
 * others that are not ascending and disjoint give wrong results. Keys outside may hold anything,
 * NaN included. Visibility travels with the queries.
 *
 * <p><i>Bias</i> is {@code [batch or 1, heads or 1, the group's queries or 1, keys]} in the dtype
 * of the queries or float32 (float64 for float64): each rank holds the columns of its own keys.
 * Entries are finite, or -infinity to hide a key. Bias travels only where the keys do.
 *
 * <p>Either is given on all ranks of a group or on none.
 */
public final class Mask {
  private static final Mask NONE = new Mask(null, null);

  private final @Nullable Tensor visibility;
  private final @Nullable Tensor bias;

  private Mask(@Nullable Tensor visibility, @Nullable Tensor bias) {
    this.visibility = visibility;
    this.bias = bias;
  }

  /** Every query sees every key. */
  public static Mask none() {
    return NONE;
  }

  /**
   * Queries see the keys of their ranges.
   *
   * @param ranges int32 {@code [batch, queries, R, 2]}
   * @throws NullPointerException if ranges is null
   */
  public static Mask visible(Tensor ranges) {
    return new Mask(Arguments.present(ranges, "ranges"), null);
  }

  /**
   * A bias is added to the scaled logits.
   *
   * @param bias {@code [batch or 1, heads or 1, the group's queries or 1, keys]}
   * @throws NullPointerException if bias is null
   */
  public static Mask bias(Tensor bias) {
    return new Mask(null, Arguments.present(bias, "bias"));
  }

  /**
   * This mask with a bias, in place of the one it may have.
   *
   * @param bias {@code [batch or 1, heads or 1, the group's queries or 1, keys]}
   * @throws NullPointerException if bias is null
   */
  public Mask withBias(Tensor bias) {
    return new Mask(visibility, Arguments.present(bias, "bias"));
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
