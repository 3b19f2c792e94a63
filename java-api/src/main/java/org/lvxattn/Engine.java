// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import org.lvxattn.bindings.generated.Lvx;

/**
 * What computes attention on a GPU. It is a matter of each device: the ranks of a group may differ.
 */
public enum Engine {
  /** The kernels of this library: every problem, and the same bits on every run. */
  LVX(Lvx.LVX_ENGINE_LVX()),
  /**
   * The attention of NVIDIA's cuDNN, 9.17 or later: bfloat16 and float16, without masks; backward
   * on GPUs of compute capability 10.x, for a headDim up to 128. Whatever else is asked ends in an
   * {@link UnsupportedRequestException} that says why. cuDNN does not promise gradients of the same
   * bits on every run.
   */
  CUDNN(Lvx.LVX_ENGINE_CUDNN()),
  /**
   * The faster of the two, problem by problem: measured when a problem is first met, and kept for
   * as long as the process lives. {@link #LVX} for what cuDNN does not take. {@link
   * Device#engineChoices} tells what was chosen, and why.
   */
  AUTO(Lvx.LVX_ENGINE_AUTO());

  private final int code;

  Engine(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }

  static Engine of(int code) {
    for (Engine engine : values()) {
      if (engine.code == code) {
        return engine;
      }
    }
    throw new LvxException(Status.INTERNAL, "the native library ran unknown engine " + code);
  }

  /** Those whose bits are set. */
  static Set<Engine> ofBits(int bits) {
    Set<Engine> engines = EnumSet.noneOf(Engine.class);
    for (Engine engine : values()) {
      if ((bits >> engine.code & 1) != 0) {
        engines.add(engine);
      }
    }
    return Collections.unmodifiableSet(engines);
  }
}
