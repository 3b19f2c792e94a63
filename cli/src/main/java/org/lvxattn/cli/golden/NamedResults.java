// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.lvxattn.cli.workload.AttentionShape;

/** The results of a solver under the names of the golden files. */
final class NamedResults {
  private final GoldenCase golden;
  private final AttentionResults whole;
  private final List<AttentionResults> windows = new ArrayList<>();
  private final Map<String, double[]> named = new HashMap<>();

  NamedResults(GoldenCase golden, MaskWay way, Solver solver) {
    this.golden = golden;
    whole = solver.whole(way);
    for (int shard = 0; shard + 1 < golden.shardBounds.length; shard++) {
      windows.add(
          solver.window(way, golden.shardBounds[shard], golden.shardBounds[shard + 1], whole));
    }
    named.put("o", whole.o());
    named.put("lse", whole.lse());
    named.put("dq", whole.dq());
    named.put("dk", whole.dk());
    named.put("dv", whole.dv());
    named.put("delta", whole.delta());
    named.put("o_part", concatenate(AttentionResults::o));
    named.put("lse_part", concatenate(AttentionResults::lse));
    named.put("dq_part", concatenate(AttentionResults::dq));
    named.put("dk_rows", chosenRows(whole.dk()));
    named.put("dv_rows", chosenRows(whole.dv()));
    named.put("dk_sum", sumOverRows(whole.dk()));
    named.put("dv_sum", sumOverRows(whole.dv()));
    putBiasGradient(way);
  }

  /** Results of each of the case's key shards. */
  List<AttentionResults> windows() {
    return windows;
  }

  double[] get(String name) {
    double[] values = named.get(name);
    if (values == null) {
      throw new GoldenException("the file holds " + name + " without what it belongs to");
    }
    return values;
  }

  private void putBiasGradient(MaskWay way) {
    double[] gradient = whole.dbias();
    Bias given = golden.bias();
    Bias used = way.bias();
    if (gradient != null && given != null && used != null) {
      named.put("dbias", used.sumTo(given, gradient));
    }
  }

  private double[] concatenate(Function<AttentionResults, double[]> tensor) {
    List<double[]> parts = new ArrayList<>();
    windows.forEach(window -> parts.add(tensor.apply(window)));
    return join(parts);
  }

  private double[] chosenRows(double[] gradient) {
    AttentionShape shape = golden.shape();
    int blocks = shape.batch() * shape.keyHeads();
    int rows = Math.toIntExact(shape.keys());
    int width = shape.headDim();
    double[] chosen = new double[blocks * golden.keyRows.length * width];
    int at = 0;
    for (int block = 0; block < blocks; block++) {
      for (int row : golden.keyRows) {
        System.arraycopy(gradient, (block * rows + row) * width, chosen, at, width);
        at += width;
      }
    }
    return chosen;
  }

  private double[] sumOverRows(double[] gradient) {
    AttentionShape shape = golden.shape();
    int rows = Math.toIntExact(shape.keys());
    int width = shape.headDim();
    double[] sums = new double[shape.batch() * shape.keyHeads() * width];
    for (int i = 0; i < gradient.length; i++) {
      sums[i / (rows * width) * width + i % width] += gradient[i];
    }
    return sums;
  }

  private static double[] join(Collection<double[]> parts) {
    double[] whole = new double[parts.stream().mapToInt(part -> part.length).sum()];
    int at = 0;
    for (double[] part : parts) {
      System.arraycopy(part, 0, whole, at, part.length);
      at += part.length;
    }
    return whole;
  }
}
