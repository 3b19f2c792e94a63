// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.Arrays;
import org.lvxattn.internal.Preconditions;

/**
 * Makes the ranges of a {@link Mask} from the forms in which masks are usually at hand: booleans,
 * ranges of each query, and {@code cu_seqlens} of packed sequences.
 *
 * <p>Each method returns a new int32 tensor {@code [batch, queries, R, 2]}, which the caller
 * closes, and which must stay open as long as a mask of it is in use, backward included. R is the
 * largest number of ranges that one of the queries has, at least 1; shorter rows end with empty
 * ranges. If a method throws, nothing stays allocated.
 *
 * <pre>{@code
 * try (Tensor ranges = Visibility.ofBooleans(device, visible);
 *     AttentionForward forward = attention.forward(group, q, k, v, Mask.visible(ranges))) {
 *   ...
 * }
 * }</pre>
 *
 * <p>Rows are those of this rank, columns those of the whole group: see the picture in {@link
 * Mask}.
 *
 * @since 0.2.0
 */
public final class Visibility {
  private Visibility() {}

  /**
   * The ranges of a boolean mask.
   *
   * @param device where to allocate
   * @param visible {@code [batch][queries][keys]}: whether a query of this rank sees a key of the
   *     group; true means that it does, as in PyTorch's {@code scaled_dot_product_attention}
   * @return int32 {@code [batch, queries, R, 2]}
   * @throws NullPointerException if an argument, or an array in it, is null
   * @throws IllegalArgumentException if the array is ragged, or has so many ranges that they do not
   *     fit an array
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public static Tensor ofBooleans(Device device, boolean[][][] visible) {
    Preconditions.present(device, "device");
    Preconditions.present(visible, "visible");
    requireRectangular(visible);
    int batch = visible.length;
    int queries = batch == 0 ? 0 : visible[0].length;
    int most = 1;
    for (boolean[][] item : visible) {
      for (boolean[] row : item) {
        most = Math.max(most, runs(row));
      }
    }
    int[] bounds = new int[length(batch, queries, most)];
    for (int item = 0; item < batch; item++) {
      for (int query = 0; query < queries; query++) {
        writeRuns(visible[item][query], bounds, (item * queries + query) * most * 2);
      }
    }
    return Tensor.of(device, bounds, batch, queries, most, 2);
  }

  /**
   * Ranges that are given for each query.
   *
   * @param device where to allocate
   * @param ranges {@code [batch][queries][ranges][2]}: begin and end (exclusive) of each range of
   *     keys of the group that a query of this rank sees. The ranges of a query are ascending and
   *     disjoint; empty ones (begin equals end) may be anywhere. Queries may have different numbers
   *     of ranges, or none
   * @return int32 {@code [batch, queries, R, 2]}
   * @throws NullPointerException if an argument, or an array in it, is null
   * @throws IllegalArgumentException if batch items have different numbers of queries, a range has
   *     not two bounds, begins below 0 or ends before it begins, the ranges of a query overlap or
   *     are out of order, or they do not fit an array
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public static Tensor ofRanges(Device device, int[][][][] ranges) {
    Preconditions.present(device, "device");
    Preconditions.present(ranges, "ranges");
    int batch = ranges.length;
    int queries = batch == 0 ? 0 : Preconditions.present(ranges[0], "ranges[0]").length;
    int most = 1;
    for (int item = 0; item < batch; item++) {
      String name = "ranges[" + item + "]";
      requireLength(Preconditions.present(ranges[item], name).length, queries, name, "queries");
      for (int query = 0; query < queries; query++) {
        most = Math.max(most, checked(ranges[item][query], name + "[" + query + "]"));
      }
    }
    int[] bounds = new int[length(batch, queries, most)];
    for (int item = 0; item < batch; item++) {
      for (int query = 0; query < queries; query++) {
        int at = (item * queries + query) * most * 2;
        for (int[] range : ranges[item][query]) {
          bounds[at++] = range[0];
          bounds[at++] = range[1];
        }
      }
    }
    return Tensor.of(device, bounds, batch, queries, most, 2);
  }

  /**
   * The mask of packed sequences, all of whose queries are on this rank: sequence i has the queries
   * {@code cuSeqlensQ[i]} to {@code cuSeqlensQ[i + 1] - 1}, and they see the keys {@code
   * cuSeqlensK[i]} to {@code cuSeqlensK[i + 1] - 1}. The arguments are those of FlashAttention's
   * {@code varlen} functions, with batch 1 and all sequences in one row after another.
   *
   * @param device where to allocate
   * @param cuSeqlensQ cumulative numbers of queries, one more than there are sequences: from 0 to
   *     the number of all queries
   * @param cuSeqlensK cumulative numbers of keys of the group, of the same length
   * @return int32 {@code [1, queries, 1, 2]}
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if the arrays have different lengths, do not begin with 0, or
   *     decrease
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public static Tensor ofCuSeqlens(Device device, int[] cuSeqlensQ, int[] cuSeqlensK) {
    requireCuSeqlens(cuSeqlensQ, cuSeqlensK);
    return ofCuSeqlens(device, cuSeqlensQ, cuSeqlensK, 0, cuSeqlensQ[cuSeqlensQ.length - 1]);
  }

  /**
   * As {@link #ofCuSeqlens(Device, int[], int[])}, if this rank holds only some of the queries,
   * which may begin and end within a sequence.
   *
   * @param device where to allocate
   * @param cuSeqlensQ cumulative numbers of queries of the group
   * @param cuSeqlensK cumulative numbers of keys of the group
   * @param begin this rank's first query, counted over the ranks in order
   * @param end one past its last query
   * @return int32 {@code [1, end - begin, 1, 2]}
   * @throws IllegalArgumentException also unless {@code 0 <= begin <= end <= queries}
   */
  public static Tensor ofCuSeqlens(
      Device device, int[] cuSeqlensQ, int[] cuSeqlensK, int begin, int end) {
    Preconditions.present(device, "device");
    requireCuSeqlens(cuSeqlensQ, cuSeqlensK);
    int queries = cuSeqlensQ[cuSeqlensQ.length - 1];
    Preconditions.require(
        0 <= begin && begin <= end && end <= queries,
        "begin is "
            + begin
            + " and end is "
            + end
            + "; 0 <= begin <= end <= "
            + queries
            + ", the last of cuSeqlensQ, was expected");
    int[] bounds = new int[length(1, end - begin, 1)];
    int sequence = 0;
    for (int query = begin; query < end; query++) {
      while (cuSeqlensQ[sequence + 1] <= query) {
        sequence++;
      }
      bounds[2 * (query - begin)] = cuSeqlensK[sequence];
      bounds[2 * (query - begin) + 1] = cuSeqlensK[sequence + 1];
    }
    return Tensor.of(device, bounds, 1, end - begin, 1, 2);
  }

  private static void requireRectangular(boolean[][][] visible) {
    for (int item = 0; item < visible.length; item++) {
      String name = "visible[" + item + "]";
      Preconditions.present(visible[item], name);
      requireLength(visible[item].length, visible[0].length, name, "queries");
      for (int query = 0; query < visible[item].length; query++) {
        String row = name + "[" + query + "]";
        Preconditions.present(visible[item][query], row);
        requireLength(visible[item][query].length, visible[0][0].length, row, "keys");
      }
    }
  }

  private static void requireLength(int length, int expected, String name, String what) {
    Preconditions.require(
        length == expected,
        name
            + " has "
            + length
            + " "
            + what
            + "; "
            + expected
            + " were expected, as many as in the first");
  }

  private static int runs(boolean[] row) {
    int runs = 0;
    for (int key = 0; key < row.length; key++) {
      runs += row[key] && (key == 0 || !row[key - 1]) ? 1 : 0;
    }
    return runs;
  }

  private static void writeRuns(boolean[] row, int[] bounds, int first) {
    int at = first;
    for (int key = 0; key <= row.length; key++) {
      boolean before = key > 0 && row[key - 1];
      boolean here = key < row.length && row[key];
      if (before != here) {
        bounds[at++] = key;
      }
    }
  }

  /** Checks the ranges of one query and returns their number. */
  private static int checked(int[][] ranges, String name) {
    Preconditions.present(ranges, name);
    int end = 0;
    for (int i = 0; i < ranges.length; i++) {
      int[] range = Preconditions.present(ranges[i], name + "[" + i + "]");
      Preconditions.require(
          range.length == 2, name + "[" + i + "]", Arrays.toString(range), "[begin, end]");
      Preconditions.require(
          0 <= range[0] && range[0] <= range[1],
          name + "[" + i + "]",
          text(range),
          "0 <= begin <= end");
      if (range[0] == range[1]) {
        continue;
      }
      if (range[0] < end) {
        throw new IllegalArgumentException(
            name
                + "["
                + i
                + "] is "
                + text(range)
                + " after a range that ends at "
                + end
                + "; ascending, disjoint ranges were expected");
      }
      end = range[1];
    }
    return ranges.length;
  }

  private static String text(int[] range) {
    return "[" + range[0] + ", " + range[1] + ")";
  }

  private static void requireCuSeqlens(int[] cuSeqlensQ, int[] cuSeqlensK) {
    requireCumulative(cuSeqlensQ, "cuSeqlensQ");
    requireCumulative(cuSeqlensK, "cuSeqlensK");
    Preconditions.require(
        cuSeqlensQ.length == cuSeqlensK.length,
        "cuSeqlensK has "
            + cuSeqlensK.length
            + " entries; as many as cuSeqlensQ, "
            + cuSeqlensQ.length
            + ", were expected");
  }

  private static void requireCumulative(int[] lengths, String name) {
    Preconditions.present(lengths, name);
    Preconditions.require(
        lengths.length > 0,
        name + " has 0 entries; one more than there are sequences, so 1 or more, were expected");
    Preconditions.require(lengths[0] == 0, name + "[0]", lengths[0], "0");
    for (int i = 1; i < lengths.length; i++) {
      if (lengths[i] < lengths[i - 1]) {
        throw new IllegalArgumentException(
            name
                + "["
                + i
                + "] is "
                + lengths[i]
                + "; "
                + lengths[i - 1]
                + " or more was expected, since cumulative lengths do not decrease");
      }
    }
  }

  /** Number of bounds, which must fit an array. */
  private static int length(int batch, int queries, int ranges) {
    long rows = (long) batch * queries;
    Preconditions.require(
        rows <= (Integer.MAX_VALUE - 8) / 2 / ranges,
        rows
            + " rows of "
            + ranges
            + " ranges have more bounds than an array can hold; fewer rows were expected, in"
            + " several calls");
    return (int) rows * ranges * 2;
  }
}
