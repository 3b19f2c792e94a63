// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * Keys and values of this rank's shard of visual features, as {@link CrossAttention} takes them:
 * for decoding, where they serve for every new token. Made by {@link VisualCheckpoint#project}; it
 * owns its tensors and does not need the checkpoint any more.
 */
public final class KeyValueCache implements AutoCloseable {
  private final Tensor key;
  private final Tensor value;

  KeyValueCache(Tensor key, Tensor value) {
    this.key = key;
    this.value = value;
  }

  /** {@code [batch, rows, keyValueHeads, headDim]}, normalised and rotated. */
  public Tensor key() {
    return key;
  }

  /** {@code [batch, rows, keyValueHeads, headDim]}. */
  public Tensor value() {
    return value;
  }

  /**
   * Closes keys and values.
   *
   * @throws IllegalStateException if that was done already
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    Tensors.closeAll(key, value);
  }
}
