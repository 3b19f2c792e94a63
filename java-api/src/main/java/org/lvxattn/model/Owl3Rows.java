// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.group.Group;
import org.lvxattn.internal.Preconditions;

/**
 * The text rows of all ranks: how many cached and new rows each has, and which are padding. The
 * index of a row counts all cached rows, then the new rows of each rank in rank order.
 */
final class Owl3Rows {
  private static final int NUMBERS = 3; // before the padding of each item

  private final int rank;
  private final int batch;
  private final long[] fresh;
  private final long[] cached;
  private final long[] visual;
  private final long[][] padding; // [item][rank]

  private Owl3Rows(Group group, int batch, List<long[]> said) {
    this.rank = group.rank();
    this.batch = batch;
    this.fresh = said.stream().mapToLong(numbers -> numbers[0]).toArray();
    this.cached = said.stream().mapToLong(numbers -> numbers[1]).toArray();
    this.visual = said.stream().mapToLong(numbers -> numbers[2]).toArray();
    this.padding = new long[batch][];
    for (int item = 0; item < batch; item++) {
      int at = NUMBERS + item;
      padding[item] = said.stream().mapToLong(numbers -> numbers[at]).toArray();
    }
  }

  /** What a rank sends about itself, after the checks that it can do alone. */
  static long[] said(
      int batch, int @Nullable [] padding, long textRows, long cachedRows, long visualRows) {
    Preconditions.require(
        textRows >= 0 && cachedRows >= 0 && visualRows >= 0,
        "textRows is "
            + textRows
            + ", cachedRows "
            + cachedRows
            + ", visualRows "
            + visualRows
            + "; 0 or more was expected");
    long[] said = Arrays.copyOf(new long[] {textRows, cachedRows, visualRows}, NUMBERS + batch);
    if (padding != null) {
      Preconditions.require(
          padding.length == batch,
          "padding has " + padding.length + " numbers; one for each item, " + batch + ", expected");
      for (int item = 0; item < batch; item++) {
        Preconditions.require(
            padding[item] >= 0 && padding[item] <= cachedRows + textRows,
            "padding["
                + item
                + "] is "
                + padding[item]
                + "; 0 to "
                + (cachedRows + textRows)
                + ", the rows of this rank, was expected");
        said[NUMBERS + item] = padding[item];
      }
    }
    return said;
  }

  /**
   * Gathers what all ranks send. A collective call.
   *
   * @throws IllegalArgumentException on every rank, if a padding row follows a row that is not
   *     padding
   */
  static Owl3Rows gather(Group group, int batch, long[] said) {
    ByteBuffer bytes = ByteBuffer.allocate(said.length * Long.BYTES);
    bytes.asLongBuffer().put(said);
    List<long[]> all =
        group.allGather(bytes.array()).stream()
            .map(
                ofRank -> {
                  long[] numbers = new long[said.length];
                  ByteBuffer.wrap(ofRank).asLongBuffer().get(numbers);
                  return numbers;
                })
            .toList();
    Owl3Rows rows = new Owl3Rows(group, batch, all);
    rows.requirePaddingInFront();
    return rows;
  }

  private void requirePaddingInFront() {
    for (int item = 0; item < batch; item++) {
      for (int of = 0; of < fresh.length; of++) {
        long said = Math.max(0, padding[item][of] - cached[of]);
        long expected = freshPadding(item, of);
        Preconditions.require(
            said == expected,
            "padding of item "
                + item
                + " is "
                + Arrays.toString(padding[item])
                + " by rank, "
                + sum(padding[item])
                + " rows in front of all: of the new rows of rank "
                + of
                + " that makes "
                + expected
                + " padded, but "
                + said
                + " would be");
      }
    }
  }

  /** Number of padding rows among the new rows of a rank. */
  private long freshPadding(int item, int of) {
    return Math.clamp(sum(padding[item]) - firstFresh(of), 0, fresh[of]);
  }

  /** Index of the first new row of a rank. */
  private long firstFresh(int of) {
    return past() + sum(Arrays.copyOf(fresh, of));
  }

  /** Number of cached rows. */
  long past() {
    return sum(cached);
  }

  /** This rank's shard of the new rows. */
  RowShard text() {
    return shard(fresh);
  }

  /** This rank's shard of the visual rows. */
  RowShard visual() {
    return shard(visual);
  }

  /** Position of a new row, counted over all ranks; negative if it is padding. */
  long position(int item, long row) {
    return past() + row - sum(padding[item]);
  }

  /** [batch, new rows of this rank], 0 for padding. */
  int[] positions() {
    return ofFresh((item, row) -> Math.toIntExact(Math.max(0, position(item, row))));
  }

  /** [batch, new rows of this rank]: 1, or 0 for padding; null without padding. */
  int @Nullable [] live() {
    boolean padded = false;
    for (int item = 0; item < batch; item++) {
      padded |= freshPadding(item, rank) > 0;
    }
    return padded ? ofFresh((item, row) -> position(item, row) < 0 ? 0 : 1) : null;
  }

  private interface OfRow {
    int value(int item, long row);
  }

  private int[] ofFresh(OfRow function) {
    RowShard text = text();
    int rows = Math.toIntExact(text.rows());
    int[] values = new int[Math.multiplyExact(batch, rows)];
    Arrays.setAll(values, i -> function.value(i / rows, text.begin() + i % rows));
    return values;
  }

  /**
   * Which text rows each new row sees. Keys are ordered by rank: its cached rows, then its new
   * rows.
   */
  RowRanges causal() {
    int rows = Math.toIntExact(sum(fresh));
    RowRanges ranges = new RowRanges(batch, rows);
    for (int item = 0; item < batch; item++) {
      for (int row = 0; row < rows; row++) {
        if (position(item, row) < 0) {
          continue;
        }
        long key = 0;
        long first = 0; // new row of the rank
        for (int of = 0; of < fresh.length; of++) {
          long seen = Math.clamp(row + 1 - first, 0, fresh[of]);
          ranges.add(item, row, key + padding[item][of], key + cached[of] + seen);
          key += cached[of] + fresh[of];
          first += fresh[of];
        }
      }
    }
    return ranges;
  }

  private RowShard shard(long[] ofRanks) {
    long begin = sum(Arrays.copyOf(ofRanks, rank));
    return new RowShard(begin, begin + ofRanks[rank], sum(ofRanks));
  }

  private static long sum(long[] numbers) {
    return Arrays.stream(numbers).sum();
  }
}
