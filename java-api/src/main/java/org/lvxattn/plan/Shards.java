// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayList;
import java.util.List;
import org.lvxattn.internal.Preconditions;

/**
 * How many queries and keys each rank holds, in rank order; 0 is allowed.
 *
 * @param queries one number for each rank
 * @param keys one number for each rank
 */
public record Shards(List<Long> queries, List<Long> keys) {
  /**
   * Copies and checks the components.
   *
   * @throws NullPointerException if a component is null or holds null
   * @throws IllegalArgumentException if the lists are empty or differ in length, or if a number is
   *     negative
   */
  public Shards {
    queries = List.copyOf(queries);
    keys = List.copyOf(keys);
    Preconditions.require(
        !queries.isEmpty(), "queries", queries, "one number for each of 1 or more ranks");
    Preconditions.require(
        keys.size() == queries.size(), "keys", keys, queries.size() + " numbers, as of queries,");
    requireCounts(queries, "queries");
    requireCounts(keys, "keys");
  }

  private static void requireCounts(List<Long> counts, String name) {
    for (long count : counts) {
      Preconditions.require(count >= 0, name, counts, "a list of numbers from 0 on");
    }
  }

  /**
   * Shards whose sizes differ by at most one row, larger ones first.
   *
   * @throws IllegalArgumentException if ranks is not positive or a number is negative
   */
  public static Shards even(long queries, long keys, int ranks) {
    Preconditions.require(ranks >= 1, "ranks", ranks, "1 or more");
    return new Shards(even(queries, ranks), even(keys, ranks));
  }

  private static List<Long> even(long rows, int ranks) {
    List<Long> counts = new ArrayList<>();
    for (int rank = 0; rank < ranks; rank++) {
      counts.add(rows / ranks + (rank < rows % ranks ? 1 : 0));
    }
    return counts;
  }

  /** Number of ranks. */
  public int ranks() {
    return queries.size();
  }

  /** Queries of all ranks. */
  public long allQueries() {
    return sum(queries);
  }

  /** Keys of all ranks. */
  public long allKeys() {
    return sum(keys);
  }

  private static long sum(List<Long> counts) {
    return counts.stream().mapToLong(Long::longValue).sum();
  }

  long queries(int rank) {
    return queries.get(rank);
  }

  long keys(int rank) {
    return keys.get(rank);
  }
}
