// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.internal.Closing;

/**
 * Keys and values on one device, as {@link CrossAttention} takes them. They belong to the thread
 * that owns the device.
 *
 * @since 0.2.0
 */
public final class KeyValues implements AutoCloseable {
  private final Tensor key;
  private final Tensor value;

  KeyValues(Tensor key, Tensor value) {
    this.key = key;
    this.value = value;
  }

  /** {@code [batch, keys, keyValueHeads, headDim]}. */
  public Tensor key() {
    return key;
  }

  /** Shape and dtype of {@link #key}. */
  public Tensor value() {
    return value;
  }

  /**
   * Closes both. Closing again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    Closing.closeAll(key, value);
  }
}
