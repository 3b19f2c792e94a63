// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.nio.ByteBuffer;
import org.lvxattn.group.Group;
import org.lvxattn.group.Operation;
import org.lvxattn.internal.Preconditions;

/**
 * The rows that one rank holds of a sequence, which is sharded in rank order.
 *
 * @param begin its first row, counted over all ranks
 * @param end one past its last row
 * @param total rows of all ranks
 */
public record RowShard(long begin, long end, long total) {
  /**
   * Checks the components.
   *
   * @throws IllegalArgumentException unless {@code 0 <= begin <= end <= total}
   */
  public RowShard {
    Preconditions.require(
        0 <= begin && begin <= end && end <= total,
        "rows "
            + begin
            + " to "
            + end
            + " of "
            + total
            + "; 0 <= begin <= end <= total was expected");
  }

  /** All rows of a sequence, for a group of one rank. */
  public static RowShard whole(long rows) {
    return new RowShard(0, rows, rows);
  }

  /**
   * This rank's shard; the ranks exchange their numbers of rows. A collective call.
   *
   * @param group the ranks that hold the sequence
   * @param rows number of rows of this rank, 0 or more
   * @throws IllegalArgumentException if rows is negative
   */
  public static RowShard of(Group group, long rows) {
    Preconditions.present(group, "group");
    try {
      Preconditions.require(rows >= 0, "rows is " + rows + "; 0 or more was expected");
    } catch (IllegalArgumentException e) {
      group.decline(Operation.ALL_GATHER, e);
      throw e;
    }
    long[] all = gather(group, rows);
    long begin = 0;
    long total = 0;
    for (int rank = 0; rank < all.length; rank++) {
      begin += rank < group.rank() ? all[rank] : 0;
      total += all[rank];
    }
    return new RowShard(begin, begin + rows, total);
  }

  /**
   * The same rows as a piece of a longer sequence, after earlier rows. Masks of a piece take an
   * array that covers all rows up to the end of the piece.
   *
   * @param earlier number of rows, over all ranks, before the piece; 0 or more
   * @throws IllegalArgumentException if earlier is negative
   */
  public RowShard after(long earlier) {
    return new RowShard(earlier + begin, earlier + end, earlier + total);
  }

  /** Number of rows of this rank. */
  public long rows() {
    return end - begin;
  }

  /** Gathers a number from each rank, in rank order. */
  static long[] gather(Group group, long mine) {
    byte[] said = ByteBuffer.allocate(Long.BYTES).putLong(mine).array();
    return group.allGather(said).stream()
        .mapToLong(bytes -> ByteBuffer.wrap(bytes).getLong())
        .toArray();
  }
}
