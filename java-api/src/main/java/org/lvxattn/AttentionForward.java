// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * The result of {@link CrossAttention#forward}: it owns output and log-sum-exp, and remembers what
 * they were computed from, which stays the caller's and must be unchanged and open in backward.
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
    this.logSumExp = LogSumExp.alone(logSumExpWithTerms);
    this.statistics = statistics;
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

  /** What the call cost this rank. */
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
   * Closes output and log-sum-exp.
   *
   * @throws IllegalStateException if that was done already
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    Tensors.closeAll(output, logSumExpWithTerms);
  }
}
