// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.util.Arrays;
import java.util.List;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.PartialAttention;
import org.lvxattn.Tensor;
import org.lvxattn.cli.workload.AttentionShape;
import org.lvxattn.cli.workload.OpenTensors;
import org.lvxattn.cli.workload.Results;

/** The parts that belong to a case's key shards, merged: they must give the result of the whole. */
final class MergedParts {
  private MergedParts() {}

  /** The merged o and lse. */
  static Results of(GoldenCase golden, DType dtype, List<Results> parts) {
    AttentionShape shape = golden.shape();
    DType wide = dtype.accumulator();
    long[] heads = {shape.batch(), shape.queryHeads(), shape.queries(), shape.headDim()};
    long[] rows = Arrays.copyOf(heads, 3);
    try (Device device = Device.cpu();
        OpenTensors open = new OpenTensors(device)) {
      Tensor o = open.allocate(wide, heads);
      Tensor lse = open.allocate(wide, rows);
      double[] nothing = new double[Math.toIntExact(lse.elements())];
      Arrays.fill(nothing, Double.NEGATIVE_INFINITY);
      lse.copyFrom(nothing);
      for (Results part : parts) {
        Tensor partO = open.allocate(dtype, heads).copyFrom(part.get("o"));
        Tensor partLse = open.allocate(wide, rows).copyFrom(part.get("lse"));
        PartialAttention.merge(
            device, partO.permute(0, 2, 1, 3), partLse, o.permute(0, 2, 1, 3), lse);
      }
      Results merged = new Results();
      merged.put("o", o.toDoubles());
      merged.put("lse", lse.toDoubles());
      return merged;
    }
  }
}
