// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Group;
import org.lvxattn.LayerOperations;
import org.lvxattn.Mask;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;

/** Queries, keys and values of text rows, and their causal attention to each other. */
final class Owl3Text {
  private static final String Q = "self_attn.q_proj";
  private static final String K = "self_attn.k_proj";
  private static final String V = "self_attn.v_proj";

  private final int hidden;
  private final double theta;
  private final CrossAttention attention;

  Owl3Text(int hidden, double theta, CrossAttention attention) {
    this.hidden = hidden;
    this.theta = theta;
    this.attention = attention;
  }

  void putShapes(Map<String, long[]> shapes) {
    for (String name : new String[] {Q, K, V}) {
      int width = name.equals(Q) ? width() : keyWidth();
      shapes.put(name + ".weight", new long[] {width, hidden});
      shapes.put(name + ".bias", new long[] {width});
    }
  }

  /** For queries of rows like those of x, [batch, rows, heads, headDim]. */
  Tensor empty(Scope scope, Tensor x) {
    return scope.allocate(
        x.dtype(), x.dimension(0), x.dimension(1), attention.heads(), attention.headDim());
  }

  /** Writes rotated queries. */
  void query(Parameters w, Tensor h, Tensor positions, Tensor q) {
    linear(w, Q, h, Heads.join(q));
    LayerOperations.rotary(theta, false, q, positions, q);
  }

  /** Writes rotated keys, and values, [batch, rows, keyValueHeads * headDim]. */
  void keyValues(Parameters w, Tensor h, Tensor positions, Tensor k, Tensor v) {
    linear(w, K, h, k);
    linear(w, V, h, v);
    Tensor keys = keys(k);
    LayerOperations.rotary(theta, false, keys, positions, keys);
  }

  /** Attention of the rows to each other; k and v as keyValues wrote them. */
  Attended attend(Turn turn, Scope scope, Group group, Tensor q, Tensor k, Tensor v, Mask mask) {
    Tensor o = scope.like(q);
    DType wide = q.dtype().accumulator();
    Tensor lse = scope.allocate(wide, q.dimension(0), attention.heads(), q.dimension(1));
    turn.call(
        () -> attention.forwardInto(group, q, keys(k), keys(v), mask, o, lse, Statistics.create()));
    return new Attended(o, lse);
  }

  /** [batch, rows, heads, headDim] and [batch, heads, rows]. */
  record Attended(Tensor o, Tensor lse) {}

  /** Overwrites dq, dk and dv; o and lse may be those of a larger softmax. */
  void attendBackward(
      Turn turn,
      Group group,
      Tensor q,
      Tensor k,
      Tensor v,
      Mask mask,
      Attended of,
      Tensor dO,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    turn.call(
        () ->
            attention.backwardInto(
                group,
                q,
                keys(k),
                keys(v),
                mask,
                of.o,
                of.lse,
                dO,
                dq,
                keys(dk),
                keys(dv),
                null,
                Statistics.create()));
  }

  /** Overwrites dh, and dq and dk as well; dk and dv are those of the rows of h. */
  void backward(
      Parameters w,
      Gradients g,
      Tensor h,
      Tensor positions,
      Tensor dq,
      Tensor dk,
      Tensor dv,
      Tensor dh) {
    LayerOperations.rotary(theta, true, dq, positions, dq);
    Tensor dKeys = keys(dk);
    LayerOperations.rotary(theta, true, dKeys, positions, dKeys);
    linearBackward(w, g, Q, h, Heads.join(dq), dh, false);
    linearBackward(w, g, K, h, dk, dh, true);
    linearBackward(w, g, V, h, dv, dh, true);
  }

  /** New keys or values behind those of the past, [batch, past + rows, width]. */
  Tensor behind(Scope scope, @Nullable Tensor past, Tensor h) {
    long before = past == null ? 0 : past.dimension(1);
    Tensor all = scope.allocate(h.dtype(), h.dimension(0), before + h.dimension(1), keyWidth());
    if (past != null) {
      keys(all.slice(1, 0, before)).copyFrom(past);
    }
    return all;
  }

  int width() {
    return attention.heads() * attention.headDim();
  }

  int keyWidth() {
    return attention.keyValueHeads() * attention.headDim();
  }

  Tensor keys(Tensor rows) {
    return Heads.split(rows, attention.keyValueHeads(), attention.headDim());
  }

  private static void linear(Parameters w, String name, Tensor h, Tensor y) {
    LayerOperations.linear(h, w.get(name + ".weight"), w.get(name + ".bias"), y);
  }

  private static void linearBackward(
      Parameters w, Gradients g, String name, Tensor h, Tensor dy, Tensor dh, boolean add) {
    LayerOperations.linearBackward(
        h, w.get(name + ".weight"), dy, dh, add, g.get(name + ".weight"), g.get(name + ".bias"));
  }
}
