// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import org.jspecify.annotations.Nullable;
import org.lvxattn.CrossAttention;
import org.lvxattn.Mask;
import org.lvxattn.PartialAttention;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Closing;
import org.lvxattn.layer.KeyValueProjection;

/**
 * The result of {@link VisualCheckpoint#forward}. It owns output, log-sum-exp and what the policy
 * keeps. It refers to its inputs, which the caller owns and must keep open and unchanged until
 * backward.
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
    this.logSumExp = PartialAttention.logSumExp(logSumExpWithTerms);
    this.statistics = Statistics.create();
  }

  /**
   * {@code [batch, queries, heads, headDim]} in the queries' dtype; 0 for queries that see no key.
   */
  public Tensor output() {
    return output;
  }

  /**
   * Natural logarithm of the sum of the exponentials of each query's logits, {@code [batch, heads,
   * queries]}, float32 (float64 for float64); -infinity for queries that see no key.
   */
  public Tensor logSumExp() {
    return logSumExp;
  }

  /**
   * The log-sum-exp as backward and merges of partial results need it. With a bias: {@code [3,
   * batch, heads, queries]}, the log-sum-exp and its two terms. Without a bias: the same as {@link
   * #logSumExp}.
   */
  public Tensor logSumExpWithTerms() {
    return logSumExpWithTerms;
  }

  /**
   * The cost of the call's attention on this rank; projections of whole shards are not included.
   */
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

  /** Keeps values and keys; with a key norm, the raw keys. */
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
   * Closes output, log-sum-exp and what the policy kept. Closing again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    Closing.closeAll(output, logSumExpWithTerms, rawKey, value);
  }
}
