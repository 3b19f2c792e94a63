// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.bindings.generated.Lvx;

/** What moves between the ranks of a group. Every strategy is exact. */
public enum Strategy {
  /**
   * Query blocks go round, partial results go straight home and are merged there (LV-XAttn, arXiv
   * 2502.02406). Right when a rank's keys outnumber its queries by far.
   */
  QUERY_RING(Lvx.LVX_QUERY_RING());

  private static final Strategy[] VALUES = values();

  private final int code;

  Strategy(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }

  static Strategy of(int code) {
    for (Strategy strategy : VALUES) {
      if (strategy.code == code) {
        return strategy;
      }
    }
    throw new LvxException(Status.INTERNAL, "the native library ran unknown strategy " + code);
  }
}
