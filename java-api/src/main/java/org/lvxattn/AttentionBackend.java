// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import org.lvxattn.bindings.generated.Lvx;

/** What computes attention on a GPU. Each device has its own: the ranks of a group may differ. */
public enum AttentionBackend {
  /** The kernels of this library: every problem, and the same bits on every run. */
  LVX(Lvx.LVX_ATTENTION_BACKEND_LVX()),
  /**
   * The attention of NVIDIA's cuDNN, 9.17 or later: bfloat16 and float16, without masks; backward
   * on GPUs of compute capability 10.x, for a headDim up to 128. Anything else throws an {@link
   * UnsupportedRequestException} that says why. cuDNN does not guarantee the same gradient bits on
   * every run.
   */
  CUDNN(Lvx.LVX_ATTENTION_BACKEND_CUDNN()),
  /**
   * The faster of the two, problem by problem: measured when a problem first occurs, and kept until
   * the process ends. {@link #LVX} for what cuDNN does not take. {@link
   * Device#attentionBackendChoices} lists the choices and their reasons.
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

  /** Those whose bits are set. */
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
