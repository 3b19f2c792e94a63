// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

/**
 * One rank's visual rows.
 *
 * @param sequences number of sequences: the batch items, or one that concatenates all
 * @param begin its first row of each sequence
 * @param rows number of its rows of each sequence
 * @param rowsPerItem number of visual rows of an item
 */
public record VisualShard(int sequences, long begin, long rows, int rowsPerItem) {
  /** The item that a row belongs to. */
  public int item(int sequence, long row) {
    return sequence + Math.toIntExact((begin + row) / rowsPerItem);
  }

  /** The index of a row in its item. */
  public int rowOfItem(long row) {
    return Math.toIntExact((begin + row) % rowsPerItem);
  }
}
