// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.layer.LayerOperations;
import org.lvxattn.layer.Norm;

/**
 * OpenFlamingo's feed-forward: {@code out = y + tanh(g) * W3 gelu(W1 LN(y))}; without a gate, the
 * factor is 1.
 */
final class FeedForward {
  private final String normWeight;
  private final String normBias;
  private final String first;
  private final String second;
  private final @Nullable String residualGate;
  private final int width;
  private final int inner;
  private final double epsilon;

  /**
   * Creates a feed-forward.
   *
   * @param prefix of its parameters' names, for instance {@code "ff."}
   */
  FeedForward(String prefix, @Nullable String residualGate, int width, int inner, double epsilon) {
    this.normWeight = prefix + "0.weight";
    this.normBias = prefix + "0.bias";
    this.first = prefix + "1.weight";
    this.second = prefix + "3.weight";
    this.residualGate = residualGate;
    this.width = width;
    this.inner = inner;
    this.epsilon = epsilon;
  }

  void putShapes(Map<String, long[]> shapes) {
    shapes.put(normWeight, new long[] {width});
    shapes.put(normBias, new long[] {width});
    shapes.put(first, new long[] {inner, width});
    shapes.put(second, new long[] {width, inner});
    if (residualGate != null) {
      shapes.put(residualGate, new long[] {1});
    }
  }

  /** What backward needs; all tensors have as many rows as the text. */
  record Saved(Tensor y, Tensor u, @Nullable Tensor branch) {}

  /** Computes out and keeps what backward needs; y must stay unchanged until then. */
  Saved forward(TensorScope kept, Parameters w, Tensor y, Tensor out) {
    Device device = kept.device();
    Tensor u = inner(kept, y);
    // Only the gate's gradient needs the branch.
    Tensor branch = residualGate == null ? null : kept.like(y);
    try (TensorScope scratch = new TensorScope(device)) {
      Tensor z = scratch.like(y);
      norm(w, y, z);
      LayerOperations.linear(z, w.get(first), null, u);
      Tensor act = inner(scratch, y);
      LayerOperations.gelu(u, act);
      Tensor m = branch == null ? z : branch;
      LayerOperations.linear(act, w.get(second), null, m);
      LayerOperations.gatedAdd(y, m, gateOf(w), null, out);
    }
    return new Saved(y, u, branch);
  }

  /** Overwrites d, the gradient of out, with the gradient of y. */
  void backward(Saved saved, Parameters w, Gradients g, Tensor d) {
    Device device = d.device();
    try (TensorScope scratch = new TensorScope(device)) {
      Tensor dm = scratch.like(d);
      Tensor gateGradient = residualGate == null ? null : g.get(residualGate);
      LayerOperations.gatedAddBackward(saved.branch, gateOf(w), null, d, dm, gateGradient);
      Tensor act = inner(scratch, d);
      LayerOperations.gelu(saved.u, act);
      Tensor du = inner(scratch, d);
      LayerOperations.linearBackward(act, w.get(second), dm, du, false, g.get(second), null);
      LayerOperations.geluBackward(saved.u, du, du);
      Tensor z = scratch.like(d);
      norm(w, saved.y, z);
      Tensor dz = dm;
      LayerOperations.linearBackward(z, w.get(first), du, dz, false, g.get(first), null);
      LayerOperations.normBackward(
          Norm.LAYER,
          epsilon,
          saved.y,
          w.get(normWeight),
          dz,
          d,
          true,
          g.get(normWeight),
          g.get(normBias));
    }
  }

  private void norm(Parameters w, Tensor y, Tensor z) {
    LayerOperations.norm(Norm.LAYER, epsilon, y, w.get(normWeight), w.get(normBias), z);
  }

  private @Nullable Tensor gateOf(Parameters w) {
    return residualGate == null ? null : w.get(residualGate);
  }

  private Tensor inner(TensorScope scope, Tensor like) {
    return scope.allocate(like.dtype(), like.dimension(0), like.dimension(1), inner);
  }
}
