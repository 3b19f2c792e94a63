// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

/**
 * One rank's visual rows.
 *
 * @param sequences that its rows are of: the items, or one that joins them all
 * @param begin its first row of each sequence
 * @param rows of each sequence
 * @param rowsPerItem visual rows of an item
 */
public record VisualShard(int sequences, long begin, long rows, int rowsPerItem) {
  /** The item that a row belongs to. */
  public int item(int sequence, long row) {
    return sequence + Math.toIntExact((begin + row) / rowsPerItem);
  }

  /** Which row of its item that is. */
  public int rowOfItem(long row) {
    return Math.toIntExact((begin + row) % rowsPerItem);
  }
}
