// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import org.lvxattn.bindings.generated.Lvx;

/**
 * The implementation of attention on a GPU. It is chosen per device: the ranks of a group may
 * differ.
 */
public enum AttentionBackend {
  /** The kernels of this library. They serve every problem and give the same bits on every run. */
  LVX(Lvx.LVX_ATTENTION_BACKEND_LVX()),
  /**
   * The attention of NVIDIA's cuDNN, 9.17 or later: bfloat16 and float16, without masks. Backward
   * needs a GPU of compute capability 10.x and a headDim up to 128. Any other problem throws an
   * {@link UnsupportedRequestException} with the reason. cuDNN does not guarantee the same gradient
   * bits on every run.
   */
  CUDNN(Lvx.LVX_ATTENTION_BACKEND_CUDNN()),
  /**
   * The faster of the two for each problem. It is measured when a problem first occurs, and the
   * choice is cached until the process ends. Problems that cuDNN does not support use {@link #LVX}.
   * {@link Device#attentionBackendChoices} lists the choices and their reasons.
   */
  AUTO(Lvx.LVX_ATTENTION_BACKEND_AUTO());

  private final int code;

  AttentionBackend(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }

  static AttentionBackend of(int code) {
    for (AttentionBackend attentionBackend : values()) {
      if (attentionBackend.code == code) {
        return attentionBackend;
      }
    }
    throw new LvxException(
        Status.INTERNAL, "the native library ran unknown attention backend " + code);
  }

  /** The attention backends whose bits are set. */
  static Set<AttentionBackend> ofBits(int bits) {
    Set<AttentionBackend> attentionBackends = EnumSet.noneOf(AttentionBackend.class);
    for (AttentionBackend attentionBackend : values()) {
      if ((bits >> attentionBackend.code & 1) != 0) {
        attentionBackends.add(attentionBackend);
      }
    }
    return Collections.unmodifiableSet(attentionBackends);
  }
}
