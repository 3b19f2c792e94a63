// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.PartialAttention;
import org.lvxattn.Tensor;
import org.lvxattn.cli.workload.AttentionShape;
import org.lvxattn.cli.workload.OpenTensors;
import org.lvxattn.cli.workload.RelativeError;

/** The parts that belong to a case's key shards, merged: they must give the result of the whole. */
record MergedParts(double[] o, double[] lse) {
  static MergedParts of(GoldenCase golden, DType dtype, List<AttentionResults> parts) {
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
      for (AttentionResults part : parts) {
        Tensor partO = open.allocate(dtype, heads).copyFrom(part.o());
        Tensor partLse = open.allocate(wide, rows).copyFrom(part.lse());
        PartialAttention.merge(
            device, partO.permute(0, 2, 1, 3), partLse, o.permute(0, 2, 1, 3), lse);
      }
      return new MergedParts(o.toDoubles(), lse.toDoubles());
    }
  }

  double outputError(Map<String, double[]> reference) {
    return errorOf(o, reference, "o");
  }

  double logSumError(Map<String, double[]> reference) {
    return errorOf(lse, reference, "lse");
  }

  private static double errorOf(double[] merged, Map<String, double[]> reference, String name) {
    double[] values = reference.get(name);
    if (values == null) {
      throw new GoldenException("the file holds parts of a whole, but no " + name);
    }
    return RelativeError.of(merged, values);
  }
}
