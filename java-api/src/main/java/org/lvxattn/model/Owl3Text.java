// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.group.Group;
import org.lvxattn.layer.LayerOperations;

/** Queries, keys and values of text rows, and causal attention among the rows. */
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

  /** Allocates room for the queries of x's rows, [batch, rows, heads, headDim]. */
  Tensor empty(TensorScope scope, Tensor x) {
    return scope.allocate(
        x.dtype(), x.dimension(0), x.dimension(1), attention.heads(), attention.headDim());
  }

  /** Writes rotated queries. */
  void query(Parameters w, Tensor h, Tensor positions, Tensor q) {
    linear(w, Q, h, Heads.join(q));
    LayerOperations.rotary(theta, false, q, positions, q);
  }

  /** Writes rotated keys and values, [batch, rows, keyValueHeads * headDim]. */
  void keyValues(Parameters w, Tensor h, Tensor positions, Tensor k, Tensor v) {
    linear(w, K, h, k);
    linear(w, V, h, v);
    Tensor keys = keys(k);
    LayerOperations.rotary(theta, false, keys, positions, keys);
  }

  /** Attention among the rows; k and v as written by {@link #keyValues}. */
  Attended attend(
      CollectiveSequence calls,
      TensorScope scope,
      Group group,
      Tensor q,
      Tensor k,
      Tensor v,
      Mask mask) {
    Tensor o = scope.like(q);
    DType wide = q.dtype().accumulator();
    Tensor lse = scope.allocate(wide, q.dimension(0), attention.heads(), q.dimension(1));
    calls.call(
        () ->
            attention.forwardInto(
                group,
                new AttentionInputs(q, keys(k), keys(v), mask),
                new AttentionOutputs(o, lse),
                Statistics.create()));
    return new Attended(o, lse);
  }

  /** [batch, rows, heads, headDim] and [batch, heads, rows]. */
  record Attended(Tensor o, Tensor lse) {}

  /** Overwrites dq, dk and dv; o and lse may be those of a softmax over more keys. */
  void attendBackward(
      CollectiveSequence calls,
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
    calls.call(
        () ->
            attention.backwardInto(
                group,
                new AttentionInputs(q, keys(k), keys(v), mask),
                new AttentionOutputs(of.o, of.lse),
                dO,
                new GradientOutputs(dq, keys(dk), keys(dv), null),
                Statistics.create()));
  }

  /** Overwrites dh, dq and dk; dk and dv belong to the rows of h. */
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

  /** A copy of the past's keys or values with room for new ones, [batch, past + rows, width]. */
  Tensor behind(TensorScope scope, @Nullable Tensor past, Tensor h) {
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
