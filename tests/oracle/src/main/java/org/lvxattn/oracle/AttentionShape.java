// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import java.util.LinkedHashMap;
import java.util.Map;

/** Sizes of an attention problem over all ranks. */
public record AttentionShape(
    int batch, long queries, long keys, int queryHeads, int keyHeads, int headDim) {
  /** The largest head dimension that the library supports. */
  public static final int MAX_HEAD_DIM = 256;

  private static final int HEAD_DIM_STEP = 8;

  /** Checks that the library supports the sizes; throws {@link IllegalArgumentException} if not. */
  public AttentionShape {
    check(batch >= 1, "batch", batch, "at least 1");
    check(queries >= 0, "queries", queries, "at least 0");
    check(keys >= 0, "keys", keys, "at least 0");
    check(keyHeads >= 1, "key heads", keyHeads, "at least 1");
    check(
        queryHeads >= 1 && queryHeads % keyHeads == 0,
        "query heads",
        queryHeads,
        "a multiple of the " + keyHeads + " key heads");
    check(
        headDim >= HEAD_DIM_STEP && headDim <= MAX_HEAD_DIM && headDim % HEAD_DIM_STEP == 0,
        "head dimension",
        headDim,
        "a multiple of " + HEAD_DIM_STEP + " up to " + MAX_HEAD_DIM);
  }

  private static void check(boolean condition, String name, long value, String expected) {
    if (!condition) {
      throw new IllegalArgumentException(name + ": " + value + ", expected " + expected);
    }
  }

  /** Reads {@code B,Sq,Skv,Hq,Hkv,D}. */
  public static AttentionShape parse(String text) {
    String[] parts = text.split(",", -1);
    if (parts.length != 6) {
      throw new IllegalArgumentException(
          "shape '" + text + "' has " + parts.length + " numbers, expected B,Sq,Skv,Hq,Hkv,D");
    }
    return new AttentionShape(
        integer(parts[0]),
        integer(parts[1]),
        integer(parts[2]),
        integer(parts[3]),
        integer(parts[4]),
        integer(parts[5]));
  }

  private static int integer(String text) {
    try {
      return Integer.parseInt(text.strip());
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("'" + text + "' in a shape, expected an integer", e);
    }
  }

  /** Numbers in one query row of all heads. */
  public int queryWidth() {
    return queryHeads * headDim;
  }

  /** Numbers in one key (or value) row of all heads. */
  public int keyWidth() {
    return keyHeads * headDim;
  }

  public double scale() {
    return 1 / Math.sqrt(headDim);
  }

  /** Floating-point operations (multiplications and additions) of forward's two products. */
  public double forwardFlops() {
    return 4.0 * batch * queryHeads * queries * keys * headDim;
  }

  /** Floating-point operations of backward's five products. */
  public double backwardFlops() {
    return 2.5 * forwardFlops();
  }

  public Map<String, Object> toJson() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("batch", batch);
    json.put("queries", queries);
    json.put("keys", keys);
    json.put("queryHeads", queryHeads);
    json.put("keyHeads", keyHeads);
    json.put("headDim", headDim);
    return json;
  }
}
