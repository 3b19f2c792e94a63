// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import java.util.List;
import java.util.Random;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.testing.Seeds;

/** Random problems of all kinds, each determined by its seed. */
final class RandomWorkload {
  private static final List<Strategy> STRATEGIES = Strategy.schedules();

  private RandomWorkload() {}

  static Workload of(long seed, DType dtype) {
    Random random = Seeds.random(seed);
    int ranks = 1 + random.nextInt(7);
    int keyHeads = 1 + random.nextInt(2);
    int heads = keyHeads * (1 + random.nextInt(4));
    Workload work =
        new Workload(
            dtype,
            1 + random.nextInt(2),
            heads,
            keyHeads,
            8 * (1 + random.nextInt(4)),
            split(random, random.nextInt(24), ranks),
            split(random, random.nextInt(60), ranks),
            seed);
    work.strategy = strategy(random, ranks, heads, keyHeads);
    work.scale = random.nextDouble() * 2 - 0.5;
    if (random.nextInt(3) > 0) {
      addRanges(random, work);
    }
    if (random.nextInt(2) == 0) {
      addBias(random, work);
    }
    return work;
  }

  private static int[] split(Random random, int rows, int ranks) {
    int[] sizes = new int[ranks];
    for (int row = 0; row < rows; row++) {
      // The smaller of two random numbers: the first ranks get most, the last often nothing.
      sizes[Math.min(random.nextInt(ranks), random.nextInt(ranks))]++;
    }
    return sizes;
  }

  private static Strategy strategy(Random random, int ranks, int heads, int keyHeads) {
    Strategy strategy = STRATEGIES.get(random.nextInt(STRATEGIES.size()));
    int share = heads / ranks;
    int group = heads / keyHeads;
    boolean divides =
        heads % ranks == 0 && (share % group == 0 || (share > 0 && group % share == 0));
    return strategy == Strategy.HEAD_ALL_TO_ALL && !divides ? Strategy.QUERY_RING : strategy;
  }

  private static void addRanges(Random random, Workload work) {
    int count = 1 + random.nextInt(3);
    int[] ranges = new int[work.batch * work.allQueries() * count * 2];
    for (int i = 0; i < ranges.length; i += 2 * count) {
      int key = 0;
      for (int range = 0; range < count; range++) {
        ranges[i + 2 * range] = key += random.nextInt(20);
        ranges[i + 2 * range + 1] = key += random.nextInt(25);
      }
    }
    work.ranges = ranges;
    work.rangesPerQuery = count;
  }

  private static void addBias(Random random, Workload work) {
    work.biasBatch = random.nextBoolean() ? 1 : work.batch;
    work.biasHeads = random.nextBoolean() ? 1 : work.heads;
    work.biasRows = random.nextBoolean() ? 1 : work.allQueries();
    double[] bias = new double[work.biasBatch * work.biasHeads * work.biasRows * work.allKeys()];
    for (int i = 0; i < bias.length; i++) {
      bias[i] =
          random.nextInt(6) == 0
              ? Double.NEGATIVE_INFINITY
              : work.rounded(2 * random.nextGaussian());
    }
    work.bias = bias;
  }
}
