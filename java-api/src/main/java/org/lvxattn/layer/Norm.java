// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.layer;

import org.lvxattn.bindings.generated.Lvx;

/** How a row is normalised. */
public enum Norm {
  /** No normalisation. */
  NONE(Lvx.LVX_NORM_NONE()),
  /**
   * {@code weight * x / sqrt(mean(x^2) + epsilon)} (<a
   * href="https://arxiv.org/abs/1910.07467">arXiv 1910.07467</a>).
   */
  RMS(Lvx.LVX_NORM_RMS()),
  /**
   * {@code weight * (x - mean) / sqrt(variance + epsilon) + bias} (<a
   * href="https://arxiv.org/abs/1607.06450">arXiv 1607.06450</a>).
   */
  LAYER(Lvx.LVX_NORM_LAYER());

  private final int code;

  Norm(int code) {
    this.code = code;
  }

  /** The value in the C ABI. */
  int code() {
    return code;
  }
}
