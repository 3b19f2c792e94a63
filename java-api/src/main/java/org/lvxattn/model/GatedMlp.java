// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.layer.LayerOperations;
import org.lvxattn.layer.Norm;

/**
 * The second half of a Llama or Qwen2 layer: {@code out = y + tanh(g) * live * down(silu(gate z) *
 * up z)} with {@code z = RMS(y)}; without a gate, the factor is 1.
 */
final class GatedMlp {
  private static final String NORM = "post_attention_layernorm.weight";
  private static final String GATE = "mlp.gate_proj.weight";
  private static final String UP = "mlp.up_proj.weight";
  private static final String DOWN = "mlp.down_proj.weight";

  private final int hidden;
  private final int intermediate;
  private final double epsilon;
  private final @Nullable String residualGate;

  GatedMlp(int hidden, int intermediate, double epsilon, @Nullable String residualGate) {
    this.hidden = hidden;
    this.intermediate = intermediate;
    this.epsilon = epsilon;
    this.residualGate = residualGate;
  }

  void putShapes(Map<String, long[]> shapes) {
    shapes.put(NORM, new long[] {hidden});
    shapes.put(GATE, new long[] {intermediate, hidden});
    shapes.put(UP, new long[] {intermediate, hidden});
    shapes.put(DOWN, new long[] {hidden, intermediate});
    if (residualGate != null) {
      shapes.put(residualGate, new long[] {1});
    }
  }

  /** What backward needs; all tensors have as many rows as the text. */
  record Saved(Tensor y, Tensor gate, Tensor up, @Nullable Tensor branch) {}

  /** Computes out and keeps what backward needs; y must stay unchanged until then. */
  Saved forward(TensorScope kept, Parameters w, Tensor y, @Nullable Tensor live, Tensor out) {
    Device device = kept.device();
    Tensor gate = inner(kept, y);
    Tensor up = inner(kept, y);
    // Only the gate's gradient needs the branch.
    Tensor branch = residualGate == null ? null : kept.like(y);
    try (TensorScope scratch = new TensorScope(device)) {
      Tensor z = scratch.like(y);
      LayerOperations.norm(Norm.RMS, epsilon, y, w.get(NORM), null, z);
      LayerOperations.linear(z, w.get(GATE), null, gate);
      LayerOperations.linear(z, w.get(UP), null, up);
      Tensor act = inner(scratch, y);
      LayerOperations.swiglu(gate, up, act);
      Tensor m = branch == null ? z : branch;
      LayerOperations.linear(act, w.get(DOWN), null, m);
      LayerOperations.gatedAdd(y, m, gateOf(w), live, out);
    }
    return new Saved(y, gate, up, branch);
  }

  /** Overwrites d, the gradient of out, with the gradient of y. */
  void backward(Saved saved, Parameters w, Gradients g, @Nullable Tensor live, Tensor d) {
    Device device = d.device();
    try (TensorScope scratch = new TensorScope(device)) {
      Tensor dm = scratch.like(d);
      Tensor gateGradient = residualGate == null ? null : g.get(residualGate);
      LayerOperations.gatedAddBackward(saved.branch, gateOf(w), live, d, dm, gateGradient);
      Tensor act = inner(scratch, d);
      LayerOperations.swiglu(saved.gate, saved.up, act);
      Tensor dAct = inner(scratch, d);
      LayerOperations.linearBackward(act, w.get(DOWN), dm, dAct, false, g.get(DOWN), null);
      Tensor dUp = act; // not read any more
      Tensor dGate = inner(scratch, d);
      LayerOperations.swigluBackward(saved.gate, saved.up, dAct, dGate, dUp);
      Tensor z = scratch.like(d);
      LayerOperations.norm(Norm.RMS, epsilon, saved.y, w.get(NORM), null, z);
      Tensor dz = dm;
      LayerOperations.linearBackward(z, w.get(GATE), dGate, dz, false, g.get(GATE), null);
      LayerOperations.linearBackward(z, w.get(UP), dUp, dz, true, g.get(UP), null);
      LayerOperations.normBackward(
          Norm.RMS, epsilon, saved.y, w.get(NORM), dz, d, true, g.get(NORM), null);
    }
  }

  private @Nullable Tensor gateOf(Parameters w) {
    return residualGate == null ? null : w.get(residualGate);
  }

  private Tensor inner(TensorScope scope, Tensor like) {
    DType dtype = like.dtype();
    return scope.allocate(dtype, like.dimension(0), like.dimension(1), intermediate);
  }
}
