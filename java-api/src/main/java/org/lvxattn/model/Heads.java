// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import org.lvxattn.Tensor;

/** Views that split rows into heads, or join heads into rows. */
final class Heads {
  private Heads() {}

  /** [batch, rows, heads, headDim] of [batch, rows, heads * headDim]. */
  static Tensor split(Tensor rows, int heads, int headDim) {
    return rows.reshape(rows.dimension(0), rows.dimension(1), heads, headDim);
  }

  /** [batch, rows, heads * headDim] of [batch, rows, heads, headDim]. */
  static Tensor join(Tensor heads) {
    return heads.reshape(
        heads.dimension(0), heads.dimension(1), heads.dimension(2) * heads.dimension(3));
  }
}
