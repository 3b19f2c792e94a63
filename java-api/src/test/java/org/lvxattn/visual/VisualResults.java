// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import java.util.LinkedHashMap;
import java.util.Map;
import org.lvxattn.Whole;
import org.lvxattn.layer.Norm;

/** Results of a visual problem, from all ranks. */
final class VisualResults {
  final Whole o;
  final Whole lse;
  final Whole dq;
  final Whole dBias;
  final Whole dFeatures;

  /** Sums over the ranks, by the parameters' names. */
  final Map<String, double[]> gradients = new LinkedHashMap<>();

  VisualResults(VisualProblem p) {
    o = new Whole(p.batch, p.queries, p.heads * p.headDim);
    lse = new Whole(p.batch * p.heads, p.queries, 1);
    dq = new Whole(p.batch, p.queries, p.heads * p.headDim);
    int biasItems = (p.biasPerHead ? p.heads : 1) * (p.biasPerQuery ? p.queries : 1);
    dBias = new Whole(biasItems, p.bias == null ? 0 : p.keys, 1);
    dFeatures = new Whole(p.batch, p.keys, p.width);
    gradients.put("weight", new double[p.weight.length]);
    gradients.put("bias", new double[p.projectionBias == null ? 0 : p.projectionBias.length]);
    gradients.put("inputWeight", new double[p.inputNorm == Norm.NONE ? 0 : p.width]);
    gradients.put("inputBias", new double[p.inputNorm == Norm.LAYER ? p.width : 0]);
    gradients.put("keyWeight", new double[p.keyNorm ? p.headDim : 0]);
  }

  double[] gradient(String name) {
    return gradients.getOrDefault(name, new double[0]);
  }

  /** Adds to the gradient's elements from first on. */
  void add(String name, int first, double[] part) {
    double[] sum = gradient(name);
    for (int i = 0; i < part.length; i++) {
      sum[first + i] += part[i];
    }
  }
}
