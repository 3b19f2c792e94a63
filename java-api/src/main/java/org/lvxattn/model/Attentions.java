// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import org.lvxattn.CrossAttention;
import org.lvxattn.Strategy;

/** The attentions of layers. */
final class Attentions {
  private Attentions() {}

  /** With the usual scale; as many key heads as query heads if keyValueHeads is 0. */
  static CrossAttention of(int heads, int keyValueHeads, int headDim, Strategy strategy) {
    Checks.set(heads, "heads");
    Checks.set(headDim, "headDim");
    return CrossAttention.builder()
        .heads(heads)
        .keyValueHeads(keyValueHeads == 0 ? heads : keyValueHeads)
        .headDim(headDim)
        .strategy(strategy)
        .build();
  }
}
