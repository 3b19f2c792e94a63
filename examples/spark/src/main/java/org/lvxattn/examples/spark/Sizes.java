// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.examples.spark;

import java.io.Serializable;

/** The heads of one attention. */
public record Sizes(int heads, int keyValueHeads, int headDim) implements Serializable {
  int queryWidth() {
    return heads * headDim;
  }

  int keyWidth() {
    return keyValueHeads * headDim;
  }
}
