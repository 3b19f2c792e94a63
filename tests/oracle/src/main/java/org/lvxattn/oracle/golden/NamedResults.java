// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Results;

/** The results of a solver under the names of the golden files. */
final class NamedResults {
  private final GoldenCase golden;
  private final Results whole;
  private final List<Results> windows = new ArrayList<>();
  private final Map<String, double[]> named = new LinkedHashMap<>();

  NamedResults(GoldenCase golden, MaskWay way, Solver solver) {
    this.golden = golden;
    whole = solver.whole(way);
    for (int shard = 0; shard + 1 < golden.shardBounds.length; shard++) {
      windows.add(
          solver.window(way, golden.shardBounds[shard], golden.shardBounds[shard + 1], whole));
    }
    for (String name : List.of("o", "lse", "dq", "dk", "dv", "delta")) {
      named.put(name, whole.get(name));
    }
    named.put("o_part", concatenate("o"));
    named.put("lse_part", concatenate("lse"));
    named.put("dq_part", concatenate("dq"));
    named.put("dk_rows", chosenRows(whole.get("dk")));
    named.put("dv_rows", chosenRows(whole.get("dv")));
    named.put("dk_sum", sumOverRows(whole.get("dk")));
    named.put("dv_sum", sumOverRows(whole.get("dv")));
    putBiasGradient(way);
  }

  /** Results of each of the case's key shards. */
  List<Results> windows() {
    return windows;
  }

  /** The names, in a fixed order. */
  Set<String> names() {
    return named.keySet();
  }

  double[] get(String name) {
    double[] values = named.get(name);
    if (values == null) {
      throw new GoldenException("the file holds " + name + " without what it belongs to");
    }
    return values;
  }

  private void putBiasGradient(MaskWay way) {
    Bias given = golden.bias();
    Bias used = way.bias();
    if (given != null && used != null) {
      named.put("dbias", used.sumTo(given, whole.get("dbias")));
    }
  }

  private double[] concatenate(String name) {
    return windows.stream().flatMapToDouble(w -> Arrays.stream(w.get(name))).toArray();
  }

  private double[] chosenRows(double[] gradient) {
    if (golden.repeatsKeys()) {
      return gradient;
    }
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
}
