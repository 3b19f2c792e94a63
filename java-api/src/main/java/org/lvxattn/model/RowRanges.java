// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Arrays;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Preconditions;

/** The ascending ranges of keys that each text row of each batch item sees, over all ranks. */
final class RowRanges {
  private final int batch;
  private final int rows;
  private final int[][] bounds; // [batch * rows]: begin, end, begin, end, ...

  RowRanges(int batch, long rows) {
    this.batch = batch;
    this.rows = Math.toIntExact(rows);
    this.bounds = new int[Math.multiplyExact(batch, this.rows)][0];
  }

  int batch() {
    return batch;
  }

  int rows() {
    return rows;
  }

  /**
   * Adds keys begin to end to those that a row sees; they must not be before its earlier ranges.
   */
  void add(int item, int row, long begin, long end) {
    if (begin >= end) {
      return;
    }
    int at = item * rows + row;
    int[] seen = bounds[at];
    int last = seen.length;
    if (last > 0 && seen[last - 1] == begin) {
      seen[last - 1] = toInt(end);
    } else {
      bounds[at] = Arrays.copyOf(seen, last + 2);
      bounds[at][last] = toInt(begin);
      bounds[at][last + 1] = toInt(end);
    }
  }

  boolean isEmpty(int item, int row) {
    return bounds[item * rows + row].length == 0;
  }

  /**
   * The visibility of this rank's rows, int32 [items, rows, ranges, 2]. The number of ranges is the
   * largest over the rows of all ranks.
   *
   * @param items the batch; or 1 to concatenate the rows of all items
   */
  Tensor toTensor(Device device, int items, RowShard shard) {
    int ranges = Math.max(1, Arrays.stream(bounds).mapToInt(row -> row.length / 2).max().orElse(0));
    int local = Math.toIntExact(shard.rows());
    int[] values = new int[batch * local * ranges * 2];
    int at = 0;
    for (int item = 0; item < batch; item++) {
      for (long row = shard.begin(); row < shard.end(); row++) {
        int[] seen = bounds[item * rows + Math.toIntExact(row)];
        System.arraycopy(seen, 0, values, at, seen.length);
        at += 2 * ranges;
      }
    }
    return Tensor.of(device, values, items, items == 0 ? 0 : batch / items * local, ranges, 2);
  }

  private static int toInt(long key) {
    Preconditions.require(
        key <= Integer.MAX_VALUE,
        "a row sees up to key " + key + "; visibility counts keys in 32 bits");
    return (int) key;
  }
}
