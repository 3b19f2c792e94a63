// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * Which ranks' queries see which ranks' keys: for every two ranks, how many pairs of a query of the
 * one and a key that it sees of the other there are, over all batch items.
 */
public final class Reach {
  private final List<double[]> pairs;
  private final List<Integer> ranges;
  private final boolean visibility;

  private Reach(List<double[]> pairs, List<Integer> ranges, boolean visibility) {
    this.pairs = pairs;
    this.ranges = List.copyOf(ranges);
    this.visibility = visibility;
  }

  /** Every query sees every key; no visibility is given, so none travels. */
  public static Reach everything(int batch, Shards shards) {
    List<double[]> pairs = new ArrayList<>();
    for (int home = 0; home < shards.ranks(); home++) {
      double[] row = new double[shards.ranks()];
      for (int rank = 0; rank < row.length; rank++) {
        row[rank] = (double) batch * shards.queries(home) * shards.keys(rank);
      }
      pairs.add(row);
    }
    return new Reach(pairs, Collections.nCopies(shards.ranks(), 0), false);
  }

  /**
   * From what each rank says of its own queries: the pairs of {@link #visiblePairs}, and the number
   * of ranges a query has.
   *
   * @param pairs for each rank, one number for each rank
   * @param ranges for each rank, the third extent of its visibility
   * @throws IllegalArgumentException if the lists' lengths differ or a number is negative
   */
  public static Reach of(List<long[]> pairs, List<Integer> ranges) {
    Checks.require(
        ranges.size() == pairs.size(), "ranges", ranges, pairs.size() + " numbers, as of pairs,");
    List<double[]> rows = new ArrayList<>();
    for (long[] row : pairs) {
      boolean fits = row.length == pairs.size() && Arrays.stream(row).allMatch(count -> count >= 0);
      Checks.require(
          fits, "pairs", Arrays.toString(row), pairs.size() + " numbers from 0 on for each rank");
      rows.add(Arrays.stream(row).asDoubleStream().toArray());
    }
    for (int count : ranges) {
      Checks.require(count >= 0, "ranges", ranges, "a list of numbers from 0 on");
    }
    return new Reach(rows, ranges, true);
  }

  /**
   * From the ranges themselves.
   *
   * @param ranges for each rank, its visibility {@code [batch, queries, R, 2]} row by row:
   *     half-open ranges of the group's keys, disjoint
   * @throws IllegalArgumentException if a rank's ranges do not fit its queries
   */
  public static Reach ofRanges(int batch, Shards shards, List<int[]> ranges) {
    Checks.require(
        ranges.size() == shards.ranks(),
        "ranges of ranks",
        ranges.size(),
        "one array for each of " + shards.ranks() + " ranks");
    List<long[]> pairs = new ArrayList<>();
    List<Integer> counts = new ArrayList<>();
    for (int rank = 0; rank < shards.ranks(); rank++) {
      int[] own = ranges.get(rank);
      long ends = 2L * batch * shards.queries(rank);
      Checks.require(
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
   * How many pairs of a query and a key that it sees there are with the keys of each rank.
   *
   * @param ranges half-open ranges of the group's keys, begin and end in turn; those of one query
   *     disjoint
   * @param keys how many keys each rank keeps
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
   * An estimate for text in step with its video: each query sees one range of keys, density of all
   * wide, at the place that the query has in the text.
   *
   * @param density part of all pairs that are visible, above 0 and at most 1
   * @throws IllegalArgumentException if density is out of range
   */
  public static Reach estimate(int batch, Shards shards, double density) {
    Checks.require(density > 0 && density <= 1, "density", density, "a number above 0 up to 1");
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
    return new Reach(pairs, Collections.nCopies(shards.ranks(), 1), true);
  }

  /** Pairs spread evenly over the keys from begin to end. */
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

  /** Pairs of a query of home and a key of rank that it sees. */
  public double pairs(int home, int rank) {
    return pairs.get(home)[rank];
  }

  /** Whether a query of home sees a key of rank. */
  public boolean sees(int home, int rank) {
    return pairs(home, rank) > 0;
  }

  /** Whether visibility is given, rather than everything visible. */
  boolean hasVisibility() {
    return visibility;
  }

  int ranges(int rank) {
    return ranges.get(rank);
  }

  boolean queriesSeeOthers(int rank) {
    for (int peer = 0; peer < ranks(); peer++) {
      if (peer != rank && sees(rank, peer)) {
        return true;
      }
    }
    return false;
  }

  boolean keysSeenByOthers(int rank) {
    for (int peer = 0; peer < ranks(); peer++) {
      if (peer != rank && sees(peer, rank)) {
        return true;
      }
    }
    return false;
  }

  boolean queriesSee(int rank) {
    return queriesSeeOthers(rank) || sees(rank, rank);
  }

  boolean keysSeen(int rank) {
    return keysSeenByOthers(rank) || sees(rank, rank);
  }
}
