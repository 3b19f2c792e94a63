// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import org.lvxattn.bindings.generated.Lvx;

/**
 * What computes attention on a GPU. It is a matter of each device: the ranks of a group may differ.
 */
public enum AttentionBackend {
  /** The kernels of this library: every problem, and the same bits on every run. */
  LVX(Lvx.LVX_ATTENTION_BACKEND_LVX()),
  /**
   * The attention of NVIDIA's cuDNN, 9.17 or later: bfloat16 and float16, without masks; backward
   * on GPUs of compute capability 10.x, for a headDim up to 128. Whatever else is asked ends in an
   * {@link UnsupportedRequestException} that says why. cuDNN does not promise gradients of the same
   * bits on every run.
   */
  CUDNN(Lvx.LVX_ATTENTION_BACKEND_CUDNN()),
  /**
   * The faster of the two, problem by problem: measured when a problem is first met, and kept for
   * as long as the process lives. {@link #LVX} for what cuDNN does not take. {@link
   * Device#attentionBackendChoices} tells what was chosen, and why.
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
