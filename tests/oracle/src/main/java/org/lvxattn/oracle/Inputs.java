// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

/** An attention to compute: its sizes, and where its inputs come from. */
public record Inputs(
    AttentionShape shape, Rows queries, Rows keys, Rows values, Rows outputGradient) {

  /** Normally distributed inputs that depend on the seed alone. */
  public static Inputs random(AttentionShape shape, long seed) {
    long spread = (4 * seed) << 32; // tensors and batch items of one seed do not meet another's
    return new Inputs(
        shape,
        Rows.gaussian(spread),
        Rows.gaussian(spread + (1L << 32)),
        Rows.gaussian(spread + (2L << 32)),
        Rows.gaussian(spread + (3L << 32)));
  }
}
