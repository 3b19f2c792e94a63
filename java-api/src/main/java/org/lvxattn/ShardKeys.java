// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;

/**
 * Keys and values of a whole shard of features, for the policies that have them in memory. Raw keys
 * are kept apart from the finished ones only where backward needs them: where there is a key norm.
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

  /** Projects the features; with the raw keys apart if they are normalised and wanted. */
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
    } catch (RuntimeException e) {
      Tensors.closeAfter(e, raw, value);
      throw e;
    }
  }

  /** What forward kept; stays with its owner. */
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
    Tensor key = Tensors.like(raw);
    try {
      calls.finish(projection, raw, key);
      return key;
    } catch (RuntimeException e) {
      Tensors.closeAfter(e, key);
      throw e;
    }
  }

  /** Raw where {@link #project} was asked for it and there is a key norm; finished otherwise. */
  Tensor raw() {
    return raw;
  }

  Tensor key() {
    return key;
  }

  Tensor value() {
    return value;
  }

  /** Leaves raw keys and values to an owner. */
  void giveTo(VisualForward owner) {
    owner.keep(raw, value);
    keptByOther = true;
  }

  /** As {@link #giveTo}, of what is not distinguished into raw and finished. */
  KeyValueCache toCache() {
    keptByOther = true;
    return new KeyValueCache(key, value);
  }

  @Override
  public void close() {
    @Nullable Tensor apart = key == raw ? null : key;
    if (keptByOther) {
      Tensors.closeAll(apart);
    } else {
      Tensors.closeAll(raw, apart, value);
    }
  }
}
