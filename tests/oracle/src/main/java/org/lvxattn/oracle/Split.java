// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import java.util.Arrays;
import java.util.Random;

/** How a sequence is cut into consecutive shards, one for each rank; shards may be empty. */
public final class Split {
  private final long[] bounds;

  private Split(long[] bounds) {
    this.bounds = bounds;
  }

  /** Shards that differ by one row at most. */
  public static Split even(long rows, int ranks) {
    long[] bounds = new long[ranks + 1];
    for (int rank = 1; rank <= ranks; rank++) {
      bounds[rank] = bounds[rank - 1] + rows / ranks + (rank <= rows % ranks ? 1 : 0);
    }
    return new Split(bounds);
  }

  /** Shards of any size; from three ranks on, one of them is certainly empty. */
  public static Split uneven(long rows, int ranks, Random random) {
    long[] bounds = new long[ranks + 1];
    for (int rank = 1; rank < ranks; rank++) {
      bounds[rank] = random.nextLong(rows + 1);
    }
    bounds[ranks] = rows;
    Arrays.sort(bounds);
    if (ranks > 2) {
      int emptied = random.nextInt(ranks - 1);
      bounds[emptied + 1] = bounds[emptied];
    }
    return new Split(bounds);
  }

  public int ranks() {
    return bounds.length - 1;
  }

  /** First row of a rank's shard. */
  public long begin(int rank) {
    return bounds[rank];
  }

  /** One past the last row of a rank's shard. */
  public long end(int rank) {
    return bounds[rank + 1];
  }

  public long rows(int rank) {
    return end(rank) - begin(rank);
  }

  @Override
  public String toString() {
    return Arrays.toString(bounds);
  }
}
