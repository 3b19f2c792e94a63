// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.PartialAttention;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.group.Group;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Results;
import org.lvxattn.oracle.Sequences;
import org.lvxattn.oracle.Split;

/**
 * Runs the attention of a case, or of a window of its keys, over several ranks. All processes shard
 * it in the same way, by the same seed.
 *
 * <p>Every rank holds the case's [B, H, S, D] layout and passes permuted slices of it, so strides
 * are not compact. Results start as NaN, so that an entry that is not written is detected.
 */
final class ShardedSolver implements Solver {
  private final GoldenCase golden;
  private final CrossAttention attention;
  private final DType dtype;
  private final Ranks ranks;
  private final Split queries;
  private final Random random;

  ShardedSolver(GoldenCase golden, DType dtype, Strategy strategy, Ranks ranks) {
    AttentionShape shape = golden.shape();
    this.golden = golden;
    this.dtype = dtype;
    this.ranks = ranks;
    this.attention =
        CrossAttention.builder()
            .heads(shape.queryHeads())
            .keyValueHeads(shape.keyHeads())
            .headDim(shape.headDim())
            .scale(golden.spec().scale())
            .strategy(strategy)
            .build();
    this.random = new Random(31L * golden.spec().name().hashCode() + ranks.size());
    this.queries = Split.uneven(shape.queries(), ranks.size(), random);
  }

  @Override
  public Results whole(MaskWay way) {
    return run(way, 0, Math.toIntExact(golden.shape().keys()), null);
  }

  @Override
  public Results window(MaskWay way, int begin, int end, Results whole) {
    return run(way.window(begin, end), begin, end, whole);
  }

  private Results run(MaskWay way, int begin, int end, @Nullable Results whole) {
    Split keys = Split.uneven(end - begin, ranks.size(), random);
    List<Results> shards = ranks.run(group -> new Rank(group, way, begin, keys, whole).run());
    return gather(shards, way, keys);
  }

  /** One rank's part of the work, on its own thread. */
  private final class Rank {
    private final Group group;
    private final MaskWay way;
    private final int windowBegin;
    private final Split keys;
    private final @Nullable Results whole;

    Rank(Group group, MaskWay way, int windowBegin, Split keys, @Nullable Results whole) {
      this.group = group;
      this.way = way;
      this.windowBegin = windowBegin;
      this.keys = keys;
      this.whole = whole;
    }

    Results run() {
      AttentionShape shape = golden.shape();
      int rank = group.rank();
      long rows = queries.rows(rank);
      long localKeys = keys.rows(rank);
      long from = windowBegin + keys.begin(rank);
      DType wide = dtype.accumulator();
      try (TensorScope open = new TensorScope(group.device())) {
        Tensor q = queryShard(open, golden.q);
        Tensor k = keyShard(open, golden.k, from, from + localKeys);
        Tensor v = keyShard(open, golden.v, from, from + localKeys);
        Tensor dO = queryShard(open, golden.outputGradient);
        Tensor o = result(open, shape.queryHeads(), rows);
        Tensor delta = nan(open.allocate(wide, shape.batch(), shape.queryHeads(), rows));
        Tensor dq = result(open, shape.queryHeads(), rows);
        Tensor dk = result(open, shape.keyHeads(), localKeys);
        Tensor dv = result(open, shape.keyHeads(), localKeys);
        Tensor bias = biasShard(open);
        Tensor dbias = bias == null ? null : nan(open.allocate(bias.dtype(), bias.shape()));
        LseParts parts =
            LseParts.allocate(open, wide, bias != null, shape.batch(), shape.queryHeads(), rows);
        Tensor lse = nan(parts.whole());
        Mask mask = mask(open, bias);
        Statistics statistics = Statistics.create();

        attention.forwardInto(
            group, new AttentionInputs(q, k, v, mask), new AttentionOutputs(o, lse), statistics);
        Results results = new Results();
        results.put("o", o.permute(0, 2, 1, 3).toDoubles());
        for (int i = 0; i < parts.names().size(); i++) {
          results.put(parts.names().get(i), parts.part(i).toDoubles());
        }
        if (whole != null) {
          fill(o.permute(0, 2, 1, 3), whole.get("o"), queries.begin(rank), queries.end(rank));
          for (int i = 0; i < parts.names().size(); i++) {
            double[] values = whole.get(parts.names().get(i));
            fill(parts.part(i), values, queries.begin(rank), queries.end(rank));
          }
        }
        attention.backwardInto(
            group,
            new AttentionInputs(q, k, v, mask),
            new AttentionOutputs(o, lse),
            dO,
            new GradientOutputs(dq, dk, dv, dbias),
            statistics);
        PartialAttention.delta(group.device(), o, dO, delta);
        results.put("dq", dq.permute(0, 2, 1, 3).toDoubles());
        results.put("dk", dk.permute(0, 2, 1, 3).toDoubles());
        results.put("dv", dv.permute(0, 2, 1, 3).toDoubles());
        results.put("delta", delta.toDoubles());
        if (dbias != null) {
          results.put("dbias", dbias.toDoubles());
        }
        return results;
      }
    }

    private Tensor queryShard(TensorScope open, float[] values) {
      AttentionShape shape = golden.shape();
      return open.allocate(
              dtype, shape.batch(), shape.queryHeads(), shape.queries(), shape.headDim())
          .copyFrom(values)
          .permute(0, 2, 1, 3)
          .slice(1, queries.begin(group.rank()), queries.end(group.rank()));
    }

    private Tensor keyShard(TensorScope open, float[] values, long begin, long end) {
      AttentionShape shape = golden.shape();
      return open.allocate(dtype, shape.batch(), shape.keyHeads(), shape.keys(), shape.headDim())
          .copyFrom(values)
          .permute(0, 2, 1, 3)
          .slice(1, begin, end);
    }

    private Tensor result(TensorScope open, int heads, long rows) {
      AttentionShape shape = golden.shape();
      return nan(open.allocate(dtype, shape.batch(), heads, rows, shape.headDim()))
          .permute(0, 2, 1, 3);
    }

    private @Nullable Tensor biasShard(TensorScope open) {
      Bias bias = way.bias();
      return bias == null
          ? null
          : open.allocate(golden.biasIn(dtype), bias.shape())
              .copyFrom(bias.values())
              .slice(3, keys.begin(group.rank()), keys.end(group.rank()));
    }

    private Mask mask(TensorScope open, @Nullable Tensor bias) {
      VisibilityRanges ranges = way.ranges();
      if (ranges == null) {
        return bias == null ? Mask.none() : Mask.bias(bias);
      }
      int begin = Math.toIntExact(queries.begin(group.rank()));
      int end = Math.toIntExact(queries.end(group.rank()));
      Tensor visibility =
          open.allocate(DType.INT32, golden.shape().batch(), end - begin, ranges.perQuery(), 2)
              .copyFrom(ranges.toArray(begin, end));
      Mask visible = Mask.visible(visibility);
      return bias == null ? visible : visible.withBias(bias);
    }
  }

  private static Tensor nan(Tensor tensor) {
    float[] values = new float[Math.toIntExact(tensor.elements())];
    Arrays.fill(values, Float.NaN);
    return tensor.copyFrom(values);
  }

  /** Fills [B, H, rows, ...] with rows begin to end of the whole sequence. */
  private void fill(Tensor tensor, double[] whole, long begin, long end) {
    int blocks = golden.shape().batch() * golden.shape().queryHeads();
    tensor.copyFrom(
        Sequences.rows(
            whole,
            blocks,
            Math.toIntExact(golden.shape().queries()),
            Math.toIntExact(begin),
            Math.toIntExact(end)));
  }

  private Results gather(List<Results> shards, MaskWay way, Split keys) {
    AttentionShape shape = golden.shape();
    int queryBlocks = shape.batch() * shape.queryHeads();
    int keyBlocks = shape.batch() * shape.keyHeads();
    Results whole = new Results();
    whole.put("o", join(shards, "o", queryBlocks, queries, shape.headDim()));
    for (String name : LseParts.namesIn(shards.getFirst())) {
      whole.put(name, join(shards, name, queryBlocks, queries, 1));
    }
    whole.put("dq", join(shards, "dq", queryBlocks, queries, shape.headDim()));
    whole.put("dk", join(shards, "dk", keyBlocks, keys, shape.headDim()));
    whole.put("dv", join(shards, "dv", keyBlocks, keys, shape.headDim()));
    whole.put("delta", join(shards, "delta", queryBlocks, queries, 1));
    Bias bias = way.bias();
    if (bias != null) {
      long rows = bias.shape()[0] * bias.shape()[1] * bias.shape()[2];
      whole.put("dbias", join(shards, "dbias", Math.toIntExact(rows), keys, 1));
    }
    return whole;
  }

  private static double[] join(
      List<Results> shards, String name, int blocks, Split split, int width) {
    return Sequences.join(
        shards.stream().map(shard -> shard.get(name)).toList(), blocks, split, width);
  }
}
