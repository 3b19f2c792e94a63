// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.internal.Closing;

/**
 * The result of {@link CrossAttention#forward}: it owns output and log-sum-exp, and refers to their
 * inputs, which the caller owns and must keep open and unchanged until backward.
 */
public final class AttentionForward implements AutoCloseable {
  private final CrossAttention attention;
  private final Tensor query;
  private final Tensor key;
  private final Tensor value;
  private final Mask mask;
  private final Tensor output;
  private final Tensor logSumExpWithTerms;
  private final Tensor logSumExp;
  private final Statistics statistics;

  AttentionForward(
      CrossAttention attention,
      Tensor query,
      Tensor key,
      Tensor value,
      Mask mask,
      Tensor output,
      Tensor logSumExpWithTerms,
      Statistics statistics) {
    this.attention = attention;
    this.query = query;
    this.key = key;
    this.value = value;
    this.mask = mask;
    this.output = output;
    this.logSumExpWithTerms = logSumExpWithTerms;
    this.logSumExp = PartialAttention.logSumExp(logSumExpWithTerms);
    this.statistics = statistics;
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

  /** The cost of the call on this rank. */
  public Statistics statistics() {
    return statistics;
  }

  CrossAttention attention() {
    return attention;
  }

  Tensor query() {
    return query;
  }

  Tensor key() {
    return key;
  }

  Tensor value() {
    return value;
  }

  Mask mask() {
    return mask;
  }

  /**
   * Closes output and log-sum-exp. Closing again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    Closing.closeAll(output, logSumExpWithTerms);
  }
}
