// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.Arrays;
import java.util.List;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.PartialAttention;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Results;

/** The merged partial results of a case's key shards, which must equal the result of all keys. */
final class MergedParts {
  private MergedParts() {}

  /** The merged o and lse. */
  static Results of(GoldenCase golden, DType dtype, List<Results> parts) {
    AttentionShape shape = golden.shape();
    DType wide = dtype.accumulator();
    long[] heads = {shape.batch(), shape.queryHeads(), shape.queries(), shape.headDim()};
    try (Device device = Device.cpu();
        TensorScope open = new TensorScope(device)) {
      Tensor o = open.allocate(wide, heads);
      LseParts lse = lse(open, wide, shape, parts.getFirst());
      double[] nothing = new double[Math.toIntExact(lse.whole().elements())];
      Arrays.fill(nothing, Double.NEGATIVE_INFINITY);
      lse.whole().copyFrom(nothing);
      for (Results part : parts) {
        Tensor partO = open.allocate(dtype, heads).copyFrom(part.get("o"));
        LseParts partLse = lse(open, wide, shape, part);
        for (int i = 0; i < partLse.names().size(); i++) {
          partLse.part(i).copyFrom(part.get(partLse.names().get(i)));
        }
        PartialAttention.merge(
            device, partO.permute(0, 2, 1, 3), partLse.whole(), o.permute(0, 2, 1, 3), lse.whole());
      }
      Results merged = new Results();
      merged.put("o", o.toDoubles());
      merged.put("lse", lse.part(0).toDoubles());
      return merged;
    }
  }

  private static LseParts lse(TensorScope open, DType dtype, AttentionShape shape, Results part) {
    boolean biased = LseParts.namesIn(part).size() > 1;
    return LseParts.allocate(
        open, dtype, biased, shape.batch(), shape.queryHeads(), shape.queries());
  }
}
