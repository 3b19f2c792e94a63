// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench;

/** Sizes of an attention call, or of one rank's part of it. */
public record Sizes(int batch, long queries, long keys, int heads, int keyValueHeads, int headDim) {
  private static final int NUMBERS = 6;

  /** Reads {@code B,Sq,Skv,Hq,Hkv,D}. */
  public static Sizes parse(String text) {
    String[] parts = text.split(",", -1);
    if (parts.length != NUMBERS) {
      throw new IllegalArgumentException("'" + text + "': B,Sq,Skv,Hq,Hkv,D was expected");
    }
    return new Sizes(
        Integer.parseInt(parts[0]),
        Long.parseLong(parts[1]),
        Long.parseLong(parts[2]),
        Integer.parseInt(parts[3]),
        Integer.parseInt(parts[4]),
        Integer.parseInt(parts[5]));
  }

  /** Operations (multiplications and additions) of forward's two products. */
  public double forwardFlops() {
    return 4.0 * batch * heads * queries * keys * headDim;
  }

  /** Operations of backward's five products. */
  public double backwardFlops() {
    return 2.5 * forwardFlops();
  }

  /** In the form that {@link #parse} reads. */
  @Override
  public String toString() {
    return batch + "," + queries + "," + keys + "," + heads + "," + keyValueHeads + "," + headDim;
  }
}
