// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.examples.spark;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Function;

/**
 * Keys and values of consecutive visual tokens, each [tokens, keyValueHeads, headDim]: an element
 * of the RDD.
 */
@SuppressWarnings("ArrayRecordComponent") // moved, never compared
public record VisualTokens(float[] keys, float[] values) implements Serializable {
  /** Concatenates all tokens of a partition. */
  static VisualTokens concatenated(Iterator<VisualTokens> partition) {
    List<VisualTokens> parts = new ArrayList<>();
    partition.forEachRemaining(parts::add);
    return new VisualTokens(
        concatenated(parts, VisualTokens::keys), concatenated(parts, VisualTokens::values));
  }

  private static float[] concatenated(
      List<VisualTokens> parts, Function<VisualTokens, float[]> side) {
    float[] all = new float[parts.stream().mapToInt(part -> side.apply(part).length).sum()];
    int at = 0;
    for (VisualTokens part : parts) {
      float[] elements = side.apply(part);
      System.arraycopy(elements, 0, all, at, elements.length);
      at += elements.length;
    }
    return all;
  }
}
