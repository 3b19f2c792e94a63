// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import java.util.SplittableRandom;
import org.lvxattn.Tensor;

/** The source of an input's rows. Thread-safe; rows may be read in any order. */
@FunctionalInterface
public interface Rows {
  /** Numbers copied to a tensor at once. */
  int CHUNK = 1 << 18;

  /** Writes one row of all heads, [heads * headDim]. */
  void read(int item, long row, float[] into);

  /** Normally distributed numbers; each row depends on nothing but the seed and its place. */
  static Rows gaussian(long seed) {
    return (item, row, into) -> {
      // Two steps apart, so that neighbouring rows do not get overlapping sequences.
      long place = new SplittableRandom(seed + item).nextLong() + row;
      SplittableRandom random = new SplittableRandom(new SplittableRandom(place).nextLong());
      for (int i = 0; i < into.length; i++) {
        into[i] = (float) random.nextGaussian();
      }
    };
  }

  /** Fills [batch, rows, heads, headDim] with the rows from begin on. */
  default void fill(Tensor tensor, long begin) {
    int width = Math.toIntExact(tensor.dimension(2) * tensor.dimension(3));
    long rows = tensor.dimension(1);
    int chunkRows = Math.max(1, CHUNK / width);
    float[] row = new float[width];
    for (int item = 0; item < tensor.dimension(0); item++) {
      Tensor batch = tensor.slice(0, item, item + 1);
      for (long from = 0; from < rows; from += chunkRows) {
        int count = (int) Math.min(chunkRows, rows - from);
        float[] chunk = new float[count * width];
        for (int i = 0; i < count; i++) {
          read(item, begin + from + i, row);
          System.arraycopy(row, 0, chunk, i * width, width);
        }
        batch.slice(1, from, from + count).copyFrom(chunk);
      }
    }
  }
}
