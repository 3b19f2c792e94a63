// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.PartialAttention;
import org.lvxattn.ReferenceAttention;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Results;
import org.lvxattn.oracle.Rounding;

/** The float64 oracle, on inputs rounded to a dtype. */
final class OracleSolver implements Solver {
  private final GoldenCase golden;
  private final DType rounding;

  OracleSolver(GoldenCase golden, DType rounding) {
    this.golden = golden;
    this.rounding = rounding;
  }

  @Override
  public Results whole(MaskWay way) {
    return solve(way, 0, Math.toIntExact(golden.shape().keys()), null);
  }

  @Override
  public Results window(MaskWay way, int begin, int end, Results whole) {
    return solve(way.window(begin, end), begin, end, whole);
  }

  private Results solve(MaskWay way, int begin, int end, @Nullable Results whole) {
    AttentionShape shape = golden.shape();
    double scale = golden.spec().scale();
    long[] heads = {shape.batch(), shape.queryHeads(), shape.queries(), shape.headDim()};
    long[] keyHeads = {shape.batch(), shape.keyHeads(), end - begin, shape.headDim()};
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        TensorScope open = new TensorScope(device)) {
      Tensor q = rowsFirst(input(open, golden.q, shape.queryHeads(), shape.queries()));
      Tensor k =
          rowsFirst(input(open, golden.k, shape.keyHeads(), shape.keys())).slice(1, begin, end);
      Tensor v =
          rowsFirst(input(open, golden.v, shape.keyHeads(), shape.keys())).slice(1, begin, end);
      Tensor dO =
          rowsFirst(input(open, golden.outputGradient, shape.queryHeads(), shape.queries()));
      Tensor o = open.allocate(DType.FLOAT64, heads);
      Tensor lse = open.allocate(DType.FLOAT64, Arrays.copyOf(heads, 3));
      Tensor delta = open.allocate(DType.FLOAT64, Arrays.copyOf(heads, 3));
      Tensor dq = open.allocate(DType.FLOAT64, heads);
      Tensor dk = open.allocate(DType.FLOAT64, keyHeads);
      Tensor dv = open.allocate(DType.FLOAT64, keyHeads);
      Tensor bias = bias(open, way);
      Tensor dbias = bias == null ? null : open.allocate(DType.FLOAT64, bias.shape());
      Mask mask = mask(open, way, bias);

      ReferenceAttention.forward(scale, q, k, v, mask, rowsFirst(o), lse);
      Results results = new Results();
      results.put("o", o.toDoubles());
      results.put("lse", lse.toDoubles());
      if (whole != null) {
        o.copyFrom(whole.get("o"));
        lse.copyFrom(whole.get("lse"));
      }
      ReferenceAttention.backward(
          scale,
          q,
          k,
          v,
          mask,
          rowsFirst(o),
          lse,
          dO,
          rowsFirst(dq),
          rowsFirst(dk),
          rowsFirst(dv),
          dbias);
      PartialAttention.delta(device, rowsFirst(o), dO, delta);
      results.put("dq", dq.toDoubles());
      results.put("dk", dk.toDoubles());
      results.put("dv", dv.toDoubles());
      results.put("delta", delta.toDoubles());
      if (dbias != null) {
        results.put("dbias", dbias.toDoubles());
      }
      return results;
    }
  }

  private Tensor input(TensorScope open, float[] values, int heads, long rows) {
    AttentionShape shape = golden.shape();
    return open.allocate(DType.FLOAT64, shape.batch(), heads, rows, shape.headDim())
        .copyFrom(Rounding.toDoubles(values, rounding));
  }

  private @Nullable Tensor bias(TensorScope open, MaskWay way) {
    Bias bias = way.bias();
    return bias == null
        ? null
        : open.allocate(DType.FLOAT64, bias.shape())
            .copyFrom(Rounding.toDoubles(bias.values(), golden.biasIn(rounding)));
  }

  private Mask mask(TensorScope open, MaskWay way, @Nullable Tensor bias) {
    VisibilityRanges ranges = way.ranges();
    if (ranges == null) {
      return bias == null ? Mask.none() : Mask.bias(bias);
    }
    int queries = Math.toIntExact(golden.shape().queries());
    Mask visible =
        Mask.visible(
            open.allocate(DType.INT32, golden.shape().batch(), queries, ranges.perQuery(), 2)
                .copyFrom(ranges.toArray(0, queries)));
    return bias == null ? visible : visible.withBias(bias);
  }

  /** Views [B, H, S, D] as [B, S, H, D]. */
  private static Tensor rowsFirst(Tensor tensor) {
    return tensor.permute(0, 2, 1, 3);
  }
}
