// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;

/**
 * The result of {@link VisualCheckpoint#forward}: it owns output, log-sum-exp and what the policy
 * keeps, and remembers what they were computed from, which stays the caller's and must be unchanged
 * and open in backward.
 */
public final class VisualForward implements AutoCloseable {
  private final VisualCheckpoint checkpoint;
  private final CrossAttention attention;
  private final KeyValueProjection projection;
  private final Tensor query;
  private final Mask mask;
  private final Tensor output;
  private final Tensor logSumExpWithTerms;
  private final Tensor logSumExp;
  private final Statistics statistics;
  private @Nullable Tensor rawKey;
  private @Nullable Tensor value;

  VisualForward(
      VisualCheckpoint checkpoint,
      CrossAttention attention,
      KeyValueProjection projection,
      Tensor query,
      Mask mask,
      Tensor output,
      Tensor logSumExpWithTerms) {
    this.checkpoint = checkpoint;
    this.attention = attention;
    this.projection = projection;
    this.query = query;
    this.mask = mask;
    this.output = output;
    this.logSumExpWithTerms = logSumExpWithTerms;
    this.logSumExp = LogSumExp.alone(logSumExpWithTerms);
    this.statistics = Statistics.create();
  }

  /** {@code [batch, queries, heads, headDim]} in the queries' dtype; 0 where nothing is seen. */
  public Tensor output() {
    return output;
  }

  /**
   * Natural logarithm of the sum of the exponentials of each query's logits, {@code [batch, heads,
   * queries]}, float32 (float64 for float64); -infinity where nothing is seen.
   */
  public Tensor logSumExp() {
    return logSumExp;
  }

  /**
   * What backward and merges of parts need of log-sum-exp: with a bias {@code [3, batch, heads,
   * queries]}, it and its two terms; without one, it alone.
   */
  public Tensor logSumExpWithTerms() {
    return logSumExpWithTerms;
  }

  /** What the attention of the call cost this rank; projections of whole shards come on top. */
  public Statistics statistics() {
    return statistics;
  }

  VisualCheckpoint checkpoint() {
    return checkpoint;
  }

  CrossAttention attention() {
    return attention;
  }

  KeyValueProjection projection() {
    return projection;
  }

  Tensor query() {
    return query;
  }

  Mask mask() {
    return mask;
  }

  /** Keeps keys, raw ones where they are normalised, and values. */
  void keep(Tensor rawKey, Tensor value) {
    this.rawKey = rawKey;
    this.value = value;
  }

  @Nullable Tensor rawKey() {
    return rawKey;
  }

  @Nullable Tensor value() {
    return value;
  }

  /**
   * Closes output, log-sum-exp and what was kept.
   *
   * @throws IllegalStateException if that was done already
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    Tensors.closeAll(output, logSumExpWithTerms, rawKey, value);
  }
}
