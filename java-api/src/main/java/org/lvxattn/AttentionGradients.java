// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Closing;

/** The result of {@link CrossAttention#backward}: it owns the gradients. */
public final class AttentionGradients implements AutoCloseable {
  private final Tensor query;
  private final Tensor key;
  private final Tensor value;
  private final @Nullable Tensor bias;
  private final Statistics statistics;

  AttentionGradients(
      Tensor query, Tensor key, Tensor value, @Nullable Tensor bias, Statistics statistics) {
    this.query = query;
    this.key = key;
    this.value = value;
    this.bias = bias;
    this.statistics = statistics;
  }

  /** Shape and dtype of this rank's queries. */
  public Tensor query() {
    return query;
  }

  /** Shape and dtype of this rank's keys. */
  public Tensor key() {
    return key;
  }

  /** Shape and dtype of this rank's values. */
  public Tensor value() {
    return value;
  }

  /**
   * Shape and dtype of this rank's bias, summed over the dimensions along which it is broadcast;
   * null if it was not requested.
   */
  public @Nullable Tensor bias() {
    return bias;
  }

  /** The cost of the call on this rank. */
  public Statistics statistics() {
    return statistics;
  }

  /**
   * Closes the gradients. Closing again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    Closing.closeAll(query, key, value, bias);
  }
}
