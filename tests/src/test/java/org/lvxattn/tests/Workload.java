// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import java.util.Arrays;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.oracle.Rounding;
import org.lvxattn.testing.Seeds;

/** A whole attention problem, and how its queries and keys are shared out to ranks. */
final class Workload {
  final DType dtype;
  final int batch;
  final int heads;
  final int keyHeads;
  final int headDim;

  /** Rows of each rank. */
  final int[] queries;

  final int[] keys;

  final double[] q;
  final double[] k;
  final double[] v;
  final double[] dO;

  Strategy strategy = Strategy.QUERY_RING;
  double scale;

  /** {@code [batch, queries, rangesPerQuery, 2]}, or null: everything is seen. */
  int @Nullable [] ranges;

  int rangesPerQuery = 1;

  /** {@code [biasBatch, biasHeads, biasRows, keys]}, or null. */
  double @Nullable [] bias;

  /** Whether the bias is in the accumulator's dtype. */
  boolean wideBias;

  int biasBatch = 1;
  int biasHeads = 1;
  int biasRows = 1;

  /** A problem with normally distributed numbers that the dtype holds exactly. */
  Workload(
      DType dtype,
      int batch,
      int heads,
      int keyHeads,
      int headDim,
      int[] queries,
      int[] keys,
      long seed) {
    this.dtype = dtype;
    this.batch = batch;
    this.heads = heads;
    this.keyHeads = keyHeads;
    this.headDim = headDim;
    this.queries = queries.clone();
    this.keys = keys.clone();
    Random random = Seeds.random(seed);
    q = normal(random, batch * allQueries() * heads * headDim);
    k = normal(random, batch * allKeys() * keyHeads * headDim);
    v = normal(random, batch * allKeys() * keyHeads * headDim);
    dO = normal(random, q.length);
    scale = 1 / Math.sqrt(headDim);
  }

  private Workload(Workload other, int[] queries, int[] keys) {
    dtype = other.dtype;
    batch = other.batch;
    heads = other.heads;
    keyHeads = other.keyHeads;
    headDim = other.headDim;
    this.queries = queries;
    this.keys = keys;
    q = other.q;
    k = other.k;
    v = other.v;
    dO = other.dO;
    strategy = other.strategy;
    scale = other.scale;
    ranges = other.ranges;
    rangesPerQuery = other.rangesPerQuery;
    bias = other.bias;
    wideBias = other.wideBias;
    biasBatch = other.biasBatch;
    biasHeads = other.biasHeads;
    biasRows = other.biasRows;
  }

  /** The same numbers, not shared out. */
  Workload onOneRank() {
    return onRanks(new int[] {allQueries()}, new int[] {allKeys()});
  }

  /** The same numbers, shared out in another way. */
  Workload onRanks(int[] queries, int[] keys) {
    return new Workload(this, queries, keys);
  }

  int ranks() {
    return queries.length;
  }

  int allQueries() {
    return Window.sum(queries, queries.length);
  }

  int allKeys() {
    return Window.sum(keys, keys.length);
  }

  /** Lets query i of every batch item see the keys {@code bounds[2i]} to {@code bounds[2i+1]-1}. */
  Workload visible(int... bounds) {
    ranges = new int[batch * bounds.length];
    for (int item = 0; item < batch; item++) {
      System.arraycopy(bounds, 0, ranges, item * bounds.length, bounds.length);
    }
    rangesPerQuery = 1;
    return this;
  }

  Workload with(Strategy strategy) {
    this.strategy = strategy;
    return this;
  }

  /** Adds a bias of its own to every logit. */
  Workload withBias(long seed) {
    biasBatch = batch;
    biasHeads = heads;
    biasRows = allQueries();
    bias = normal(Seeds.random(seed), batch * heads * allQueries() * allKeys());
    return this;
  }

  /** Makes every number of these keys the same, in k and v. */
  Workload fillKeys(int from, int to, double value) {
    int width = keyHeads * headDim;
    for (int item = 0; item < batch; item++) {
      int begin = (item * allKeys() + from) * width;
      for (int i = begin; i < begin + (to - from) * width; i++) {
        k[i] = value;
        v[i] = value;
      }
    }
    return this;
  }

  CrossAttention attention() {
    return CrossAttention.builder()
        .heads(heads)
        .keyValueHeads(keyHeads)
        .headDim(headDim)
        .scale(scale)
        .strategy(strategy)
        .build();
  }

  /** A number that the dtype holds exactly. */
  double rounded(double value) {
    return dtype == DType.FLOAT64 ? value : Rounding.round((float) value, dtype);
  }

  private double[] normal(Random random, int length) {
    double[] values = new double[length];
    for (int i = 0; i < length; i++) {
      values[i] = rounded(random.nextGaussian());
    }
    return values;
  }

  @Override
  public String toString() {
    return "%s %s, batch %d, heads %d/%d x %d, queries %s, keys %s%s%s"
        .formatted(
            strategy,
            dtype,
            batch,
            heads,
            keyHeads,
            headDim,
            Arrays.toString(queries),
            Arrays.toString(keys),
            ranges == null ? "" : ", ranges",
            bias == null ? "" : ", bias");
  }
}
