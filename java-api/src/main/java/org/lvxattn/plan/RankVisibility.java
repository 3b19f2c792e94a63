// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.lvxattn.internal.Preconditions;

/**
 * Which ranks' queries see which ranks' keys: for each pair of ranks, the number of visible
 * query-key pairs with the query on the first and the key on the second, over all batch items.
 */
public final class RankVisibility {
  private final List<double[]> pairs;
  private final List<Integer> ranges;
  private final boolean visibility;

  private RankVisibility(List<double[]> pairs, List<Integer> ranges, boolean visibility) {
    this.pairs = pairs;
    this.ranges = List.copyOf(ranges);
    this.visibility = visibility;
  }

  /** Every query sees every key. There is no visibility tensor, so none is sent. */
  public static RankVisibility everything(int batch, Shards shards) {
    List<double[]> pairs = new ArrayList<>();
    for (int home = 0; home < shards.ranks(); home++) {
      double[] row = new double[shards.ranks()];
      for (int rank = 0; rank < row.length; rank++) {
        row[rank] = (double) batch * shards.queries(home) * shards.keys(rank);
      }
      pairs.add(row);
    }
    return new RankVisibility(pairs, Collections.nCopies(shards.ranks(), 0), false);
  }

  /**
   * The visibility between ranks from each rank's own counts: the pairs of {@link #visiblePairs},
   * and the number of ranges of a query.
   *
   * @param pairs for each query rank, the pairs with each key rank
   * @param ranges for each rank, the third extent of its visibility
   * @throws IllegalArgumentException if the lists' lengths differ or a number is negative
   */
  public static RankVisibility of(List<long[]> pairs, List<Integer> ranges) {
    Preconditions.require(
        ranges.size() == pairs.size(), "ranges", ranges, pairs.size() + " numbers, as of pairs,");
    List<double[]> rows = new ArrayList<>();
    for (long[] row : pairs) {
      boolean fits = row.length == pairs.size() && Arrays.stream(row).allMatch(count -> count >= 0);
      Preconditions.require(
          fits, "pairs", Arrays.toString(row), pairs.size() + " numbers from 0 on for each rank");
      rows.add(Arrays.stream(row).asDoubleStream().toArray());
    }
    for (int count : ranges) {
      Preconditions.require(count >= 0, "ranges", ranges, "a list of numbers from 0 on");
    }
    return new RankVisibility(rows, ranges, true);
  }

  /**
   * The visibility between ranks of the given ranges.
   *
   * @param ranges for each rank, its visibility {@code [batch, queries, R, 2]} row by row:
   *     half-open ranges of the group's keys, disjoint
   * @throws IllegalArgumentException if a rank's ranges do not match its queries
   */
  public static RankVisibility ofRanges(int batch, Shards shards, List<int[]> ranges) {
    Preconditions.require(
        ranges.size() == shards.ranks(),
        "ranges of ranks",
        ranges.size(),
        "one array for each of " + shards.ranks() + " ranks");
    List<long[]> pairs = new ArrayList<>();
    List<Integer> counts = new ArrayList<>();
    for (int rank = 0; rank < shards.ranks(); rank++) {
      int[] own = ranges.get(rank);
      long ends = 2L * batch * shards.queries(rank);
      Preconditions.require(
          ends == 0 ? own.length == 0 : own.length % ends == 0,
          "length of rank " + rank + "'s ranges",
          own.length,
          "a multiple of " + ends);
      pairs.add(visiblePairs(own, shards.keys()));
      counts.add(ends == 0 ? 0 : Math.toIntExact(own.length / ends));
    }
    return of(pairs, counts);
  }

  /**
   * The number of visible query-key pairs with the keys of each rank.
   *
   * @param ranges half-open ranges of the group's keys as alternating begin and end; the ranges of
   *     a query are disjoint
   * @param keys how many keys each rank holds
   */
  public static long[] visiblePairs(int[] ranges, List<Long> keys) {
    long[] pairs = new long[keys.size()];
    for (int i = 0; i < ranges.length; i += 2) {
      long begin = 0;
      for (int rank = 0; rank < pairs.length; rank++) {
        long end = begin + keys.get(rank);
        pairs[rank] += Math.max(0, Math.min(end, ranges[i + 1]) - Math.max(begin, ranges[i]));
        begin = end;
      }
    }
    return pairs;
  }

  /**
   * An estimate for text that is aligned with its video. Each query sees one range of keys, whose
   * width is density times all keys and whose position follows the query's position in the text.
   *
   * @param density fraction of all pairs that are visible, above 0 and at most 1
   * @throws IllegalArgumentException if density is out of range
   */
  public static RankVisibility estimate(int batch, Shards shards, double density) {
    Preconditions.require(
        density > 0 && density <= 1, "density", density, "a number above 0 up to 1");
    List<double[]> pairs = new ArrayList<>();
    double queries = Math.max(shards.allQueries(), 1);
    double keys = shards.allKeys();
    double firstQuery = 0;
    for (int home = 0; home < shards.ranks(); home++) {
      double endQuery = firstQuery + shards.queries(home);
      double begin = firstQuery / queries * (1 - density) * keys;
      double end = (endQuery / queries * (1 - density) + density) * keys;
      pairs.add(share((double) batch * shards.queries(home) * density * keys, begin, end, shards));
      firstQuery = endQuery;
    }
    return new RankVisibility(pairs, Collections.nCopies(shards.ranks(), 1), true);
  }

  /** Spreads pairs evenly over the keys from begin to end. */
  private static double[] share(double pairs, double begin, double end, Shards shards) {
    double[] row = new double[shards.ranks()];
    double firstKey = 0;
    for (int rank = 0; rank < row.length; rank++) {
      double endKey = firstKey + shards.keys(rank);
      double overlap = Math.min(end, endKey) - Math.max(begin, firstKey);
      row[rank] = overlap <= 0 ? 0 : pairs * overlap / (end - begin);
      firstKey = endKey;
    }
    return row;
  }

  /** Number of ranks. */
  public int ranks() {
    return pairs.size();
  }

  /** Number of visible pairs with the query on home and the key on rank. */
  public double pairs(int home, int rank) {
    return pairs.get(home)[rank];
  }

  /** Whether any query of home sees a key of rank. */
  public boolean sees(int home, int rank) {
    return pairs(home, rank) > 0;
  }

  /** Whether there is a visibility tensor. */
  boolean hasVisibility() {
    return visibility;
  }

  int ranges(int rank) {
    return ranges.get(rank);
  }
}
