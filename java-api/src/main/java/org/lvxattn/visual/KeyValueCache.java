// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import org.lvxattn.KeyValues;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;

/**
 * Keys and values of this rank's shard of visual features, in the layout of {@link
 * org.lvxattn.CrossAttention}. For decoding, where every new token reads them. {@link
 * VisualCheckpoint#project} creates it. It owns its tensors and does not depend on the checkpoint.
 */
public final class KeyValueCache implements AutoCloseable {
  private final Tensor key;
  private final Tensor value;

  KeyValueCache(Tensor key, Tensor value) {
    this.key = key;
    this.value = value;
  }

  /**
   * A cache over the tensors of shared keys and values, so that layers of many devices decode with
   * one copy: {@code KeyValueCache.of(shared.on(device))}. To share a cache: {@code
   * SharedKeyValues.of(cache.key(), cache.value())}.
   *
   * @param keyValues normalised and rotated; the cache closes them
   * @throws NullPointerException if keyValues is null
   * @since 0.2.0
   */
  public static KeyValueCache of(KeyValues keyValues) {
    Preconditions.present(keyValues, "keyValues");
    return new KeyValueCache(keyValues.key(), keyValues.value());
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
   * Closes keys and values. Closing again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    Closing.closeAll(key, value);
  }
}
