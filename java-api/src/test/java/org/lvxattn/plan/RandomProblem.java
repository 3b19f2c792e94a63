// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.testing.Seeds;

/** A small random call over several ranks, determined by a seed. */
final class RandomProblem {
  private static final List<DType> DTYPES =
      List.of(DType.FLOAT64, DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16);
  private static final int[] KEY_HEADS = {1, 2, 3, 4};
  private static final int[] HEADS_PER_KEY_HEAD = {1, 2, 4};

  final AttentionProblem problem;
  final int ranksPerNode;

  /** For each rank, [batch, queries, R, 2]; null if everything is visible. */
  final @Nullable List<int[]> ranges;

  final int rangesPerQuery;

  RandomProblem(long seed) {
    Random random = Seeds.random(seed);
    int ranks = 1 + random.nextInt(8);
    ranksPerNode = 1 + random.nextInt(4);
    int keyHeads = KEY_HEADS[random.nextInt(KEY_HEADS.length)];
    int heads = keyHeads * HEADS_PER_KEY_HEAD[random.nextInt(HEADS_PER_KEY_HEAD.length)];
    DType dtype = DTYPES.get(random.nextInt(DTYPES.size()));
    int batch = 1 + random.nextInt(2);
    AttentionSizes sizes =
        new AttentionSizes(batch, heads, keyHeads, 8 * (1 + random.nextInt(3)), dtype);
    Shards shards = new Shards(counts(random, ranks, 6), counts(random, ranks, 9));
    AttentionProblem plain = AttentionProblem.of(sizes, shards);
    rangesPerQuery = 1 + random.nextInt(3);
    if (random.nextBoolean()) {
      ranges = ranges(random, batch, shards, rangesPerQuery);
      plain = plain.withRankVisibility(RankVisibility.ofRanges(batch, shards, ranges));
    } else {
      ranges = null;
    }
    if (random.nextInt(5) < 2) {
      plain = plain.withBias(bias(random, dtype));
    }
    problem = plain;
  }

  private static List<Long> counts(Random random, int ranks, int bound) {
    return random
        .longs(ranks, 0, bound)
        .map(count -> random.nextInt(4) == 0 ? 0 : count)
        .boxed()
        .toList();
  }

  private static BiasShape bias(Random random, DType dtype) {
    boolean float32 = dtype != DType.FLOAT64 && random.nextBoolean();
    return new BiasShape(
        random.nextBoolean(),
        random.nextBoolean(),
        random.nextBoolean(),
        float32 ? DType.FLOAT32 : dtype,
        random.nextBoolean());
  }

  private static List<int[]> ranges(Random random, int batch, Shards shards, int perQuery) {
    List<int[]> ranges = new ArrayList<>();
    int keys = Math.toIntExact(shards.allKeys());
    for (long queries : shards.queries()) {
      LongStream ends = LongStream.empty();
      for (long row = 0; row < batch * queries; row++) {
        // Sorted ends are ascending and disjoint; equal ones make empty ranges.
        ends = LongStream.concat(ends, random.longs(2L * perQuery, 0, keys + 1L).sorted());
      }
      ranges.add(ends.mapToInt(Math::toIntExact).toArray());
    }
    return ranges;
  }
}
