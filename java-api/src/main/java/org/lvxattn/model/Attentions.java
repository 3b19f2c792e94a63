// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import org.lvxattn.CrossAttention;
import org.lvxattn.Strategy;
import org.lvxattn.internal.Preconditions;

/** Creates the attention of a layer. */
final class Attentions {
  private Attentions() {}

  /** With scale headDim<sup>-1/2</sup>; keyValueHeads 0 stands for as many as query heads. */
  static CrossAttention of(int heads, int keyValueHeads, int headDim, Strategy strategy) {
    Preconditions.set(heads, "heads");
    Preconditions.set(headDim, "headDim");
    return CrossAttention.builder()
        .heads(heads)
        .keyValueHeads(keyValueHeads == 0 ? heads : keyValueHeads)
        .headDim(headDim)
        .strategy(strategy)
        .build();
  }
}
