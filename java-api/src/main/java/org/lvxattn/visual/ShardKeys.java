// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Closing;
import org.lvxattn.layer.KeyValueProjection;

/**
 * Keys and values of a whole shard of features, for the policies that hold them in memory. Raw keys
 * (before norm and rotary embedding) are a separate tensor only if backward needs them, which is
 * with a key norm.
 */
final class ShardKeys implements AutoCloseable {
  private final Tensor raw;
  private final Tensor key;
  private final Tensor value;
  private boolean keptByOther;

  private ShardKeys(Tensor raw, Tensor key, Tensor value) {
    this.raw = raw;
    this.key = key;
    this.value = value;
  }

  /** Projects the features. Raw keys are separate if they are wanted and there is a key norm. */
  static ShardKeys project(
      ProjectionCalls calls, KeyValueProjection projection, Tensor features, boolean wantsRaw) {
    Device device = features.device();
    long[] shape = {
      features.dimension(0), features.dimension(1), projection.keyValueHeads(), projection.headDim()
    };
    Tensor raw = null;
    Tensor value = null;
    try {
      raw = Tensor.allocate(device, features.dtype(), shape);
      value = Tensor.allocate(device, features.dtype(), shape);
      calls.forward(projection, features, raw, value);
      return new ShardKeys(raw, finished(calls, projection, raw, wantsRaw), value);
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, raw, value);
      throw e;
    }
  }

  /** Keys and values that forward kept; they stay with their owner. */
  static ShardKeys kept(
      ProjectionCalls calls, KeyValueProjection projection, Tensor raw, Tensor value) {
    Tensor key = projection.hasKeyNorm() ? finished(calls, projection, raw, true) : raw;
    ShardKeys keys = new ShardKeys(raw, key, value);
    keys.keptByOther = true;
    return keys;
  }

  private static Tensor finished(
      ProjectionCalls calls, KeyValueProjection projection, Tensor raw, boolean wantsRaw) {
    if (!projection.hasKeyNorm() && !projection.hasRotary()) {
      return raw;
    }
    if (!wantsRaw || !projection.hasKeyNorm()) {
      calls.finish(projection, raw, raw);
      return raw;
    }
    Tensor key = Tensor.allocateLike(raw);
    try {
      calls.finish(projection, raw, key);
      return key;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, key);
      throw e;
    }
  }

  /**
   * Raw keys if {@link #project} was asked for them and there is a key norm; otherwise finished
   * keys.
   */
  Tensor raw() {
    return raw;
  }

  Tensor key() {
    return key;
  }

  Tensor value() {
    return value;
  }

  /** Transfers raw keys and values to an owner. */
  void giveTo(VisualForward owner) {
    owner.keep(raw, value);
    keptByOther = true;
  }

  /** As {@link #giveTo}, for keys without separate raw keys. */
  KeyValueCache toCache() {
    keptByOther = true;
    return new KeyValueCache(key, value);
  }

  @Override
  public void close() {
    @Nullable Tensor apart = key == raw ? null : key;
    if (keptByOther) {
      Closing.closeAll(apart);
    } else {
      Closing.closeAll(raw, apart, value);
    }
  }
}
