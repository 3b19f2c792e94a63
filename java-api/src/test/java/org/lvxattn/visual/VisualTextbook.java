// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import java.util.ArrayList;
import java.util.List;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.PartialAttention;
import org.lvxattn.ReferenceAttention;
import org.lvxattn.Tensor;
import org.lvxattn.layer.KeyValueLayout;
import org.lvxattn.layer.Norm;

/** A visual problem computed by plain loops and the oracle, on one rank. */
final class VisualTextbook {
  private final VisualProblem p;
  private final int outputs;

  private VisualTextbook(VisualProblem problem) {
    this.p = problem;
    this.outputs = 2 * problem.keyHeads * problem.headDim;
  }

  static VisualResults solve(VisualProblem problem) {
    return new VisualTextbook(problem).solve();
  }

  private VisualResults solve() {
    VisualResults results = new VisualResults(p);
    int rows = p.batch * p.keys;
    double[] k = new double[rows * p.keyHeads * p.headDim];
    double[] v = new double[k.length];
    for (int row = 0; row < rows; row++) {
      double[] products = products(input(row));
      for (int head = 0; head < p.keyHeads; head++) {
        double[] raw = new double[p.headDim];
        for (int d = 0; d < p.headDim; d++) {
          raw[d] = products[output(head, d, false)];
          v[(row * p.keyHeads + head) * p.headDim + d] = products[output(head, d, true)];
        }
        double[] key = p.keyNorm ? normalise(Norm.RMS, raw, p.keyWeight, raw) : raw;
        rotate(key, row, 1);
        System.arraycopy(key, 0, k, (row * p.keyHeads + head) * p.headDim, p.headDim);
      }
    }
    double[] dk = new double[k.length];
    double[] dv = new double[k.length];
    attend(results, k, v, dk, dv);
    for (int row = 0; row < rows; row++) {
      backward(results, row, dk, dv);
    }
    return results;
  }

  private void attend(VisualResults results, double[] k, double[] v, double[] dk, double[] dv) {
    List<Tensor> made = new ArrayList<>();
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build())) {
      Tensors64 tensors = new Tensors64(device, made);
      Tensor q = tensors.of(p.q.values, p.batch, p.queries, p.heads, p.headDim);
      Tensor dO = tensors.of(p.dO.values, p.batch, p.queries, p.heads, p.headDim);
      Tensor ks = tensors.of(k, p.batch, p.keys, p.keyHeads, p.headDim);
      Tensor vs = tensors.of(v, p.batch, p.keys, p.keyHeads, p.headDim);
      Tensor o = tensors.of(results.o.values, q.shape());
      Tensor dq = tensors.of(results.dq.values, q.shape());
      Tensor dks = tensors.of(dk, ks.shape());
      Tensor dvs = tensors.of(dv, vs.shape());
      Mask mask = Mask.none();
      if (p.visible != null) {
        Tensor ranges = Tensor.allocate(device, DType.INT32, p.batch, p.queries, p.ranges, 2);
        made.add(ranges);
        mask = Mask.visible(ranges.copyFrom(p.visible));
      }
      Tensor dBias = null;
      if (p.bias != null) {
        long[] shape = {1, p.biasPerHead ? p.heads : 1, p.biasPerQuery ? p.queries : 1, p.keys};
        mask = mask.withBias(tensors.of(p.bias.values, shape));
        dBias = tensors.of(results.dBias.values, shape);
      }
      // The results hold its first part or all of it.
      Tensor lse = PartialAttention.allocateLogSumExp(device, q, mask);
      made.add(lse);
      double scale = 1 / Math.sqrt(p.headDim);
      ReferenceAttention.forward(scale, q, ks, vs, mask, o, lse);
      ReferenceAttention.backward(scale, q, ks, vs, mask, o, lse, dO, dq, dks, dvs, dBias);
      copy(o, results.o.values);
      copy(lse, results.lse.values);
      copy(dq, results.dq.values);
      copy(dks, dk);
      copy(dvs, dv);
      if (dBias != null) {
        copy(dBias, results.dBias.values);
      }
      made.forEach(Tensor::close);
    }
  }

  private record Tensors64(Device device, List<Tensor> made) {
    Tensor of(double[] values, long... shape) {
      Tensor tensor = Tensor.allocate(device, DType.FLOAT64, shape);
      made.add(tensor);
      return tensor.copyFrom(values);
    }
  }

  private static void copy(Tensor from, double[] to) {
    System.arraycopy(from.toDoubles(), 0, to, 0, to.length);
  }

  private double[] feature(int row) {
    double[] x = new double[p.width];
    System.arraycopy(p.features.values, row * p.width, x, 0, p.width);
    return x;
  }

  private double[] input(int row) {
    double[] x = feature(row);
    return p.inputNorm == Norm.NONE ? x : normalise(p.inputNorm, x, p.inputWeight, p.inputBias);
  }

  private double[] products(double[] input) {
    double[] products = new double[outputs];
    for (int out = 0; out < outputs; out++) {
      products[out] = p.projectionBias == null ? 0 : p.projectionBias[out];
      for (int i = 0; i < p.width; i++) {
        products[out] += p.weight[out * p.width + i] * input[i];
      }
    }
    return products;
  }

  private int output(int head, int d, boolean value) {
    if (p.layout == KeyValueLayout.INTERLEAVED) {
      return head * 2 * p.headDim + (value ? p.headDim : 0) + d;
    }
    return (value ? outputs / 2 : 0) + head * p.headDim + d;
  }

  private double[] normalise(Norm norm, double[] x, double[] weight, double[] bias) {
    double mean = mean(norm, x);
    double factor = factor(x, mean);
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = weight[i] * (x[i] - mean) * factor + (norm == Norm.LAYER ? bias[i] : 0);
    }
    return y;
  }

  private static double mean(Norm norm, double[] x) {
    double sum = 0;
    for (int i = 0; norm == Norm.LAYER && i < x.length; i++) {
      sum += x[i];
    }
    return sum / x.length;
  }

  private double factor(double[] x, double mean) {
    double square = 0;
    for (double value : x) {
      square += (value - mean) * (value - mean) / x.length;
    }
    return 1 / Math.sqrt(square + p.epsilon);
  }

  /** Gradient of x; accumulates those of the weight and, for the layer norm, the bias. */
  private double[] normaliseBack(
      Norm norm, double[] x, double[] weight, double[] dy, double[] dWeight, double[] dBias) {
    double mean = mean(norm, x);
    double factor = factor(x, mean);
    double along = 0;
    double shift = 0;
    for (int i = 0; i < x.length; i++) {
      along += weight[i] * dy[i] * (x[i] - mean) * factor / x.length;
      shift += norm == Norm.LAYER ? weight[i] * dy[i] / x.length : 0;
    }
    double[] dx = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      double centred = (x[i] - mean) * factor;
      dWeight[i] += dy[i] * centred;
      if (norm == Norm.LAYER) {
        dBias[i] += dy[i];
      }
      dx[i] = factor * (weight[i] * dy[i] - shift - centred * along);
    }
    return dx;
  }

  private void rotate(double[] head, int row, int sign) {
    int half = p.headDim / 2;
    for (int i = 0; p.rotary && i < half; i++) {
      double angle = sign * p.positions[row] * Math.pow(p.theta, -(double) i / half);
      double a = head[i];
      double b = head[i + half];
      head[i] = a * Math.cos(angle) - b * Math.sin(angle);
      head[i + half] = b * Math.cos(angle) + a * Math.sin(angle);
    }
  }

  private void backward(VisualResults results, int row, double[] dk, double[] dv) {
    double[] input = input(row);
    double[] products = products(input);
    double[] dProducts = new double[outputs];
    for (int head = 0; head < p.keyHeads; head++) {
      double[] raw = new double[p.headDim];
      double[] dKey = new double[p.headDim];
      for (int d = 0; d < p.headDim; d++) {
        raw[d] = products[output(head, d, false)];
        dKey[d] = dk[(row * p.keyHeads + head) * p.headDim + d];
        dProducts[output(head, d, true)] = dv[(row * p.keyHeads + head) * p.headDim + d];
      }
      rotate(dKey, row, -1);
      double[] dRaw = dKey;
      if (p.keyNorm) {
        double[] sum = results.gradient("keyWeight");
        dRaw = normaliseBack(Norm.RMS, raw, p.keyWeight, dKey, sum, sum);
      }
      for (int d = 0; d < p.headDim; d++) {
        dProducts[output(head, d, false)] = dRaw[d];
      }
    }
    double[] dInput = new double[p.width];
    double[] dWeight = results.gradient("weight");
    for (int out = 0; out < outputs; out++) {
      if (p.projectionBias != null) {
        results.gradient("bias")[out] += dProducts[out];
      }
      for (int i = 0; i < p.width; i++) {
        dWeight[out * p.width + i] += dProducts[out] * input[i];
        dInput[i] += dProducts[out] * p.weight[out * p.width + i];
      }
    }
    double[] dFeature = dInput;
    if (p.inputNorm != Norm.NONE) {
      double[] dBias = results.gradient("inputBias");
      dFeature =
          normaliseBack(
              p.inputNorm,
              feature(row),
              p.inputWeight,
              dInput,
              results.gradient("inputWeight"),
              dBias);
    }
    System.arraycopy(dFeature, 0, results.dFeatures.values, row * p.width, p.width);
  }
}
