// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionForward;
import org.lvxattn.CrossAttention;
import org.lvxattn.PartialAttention;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.group.Group;
import org.lvxattn.layer.KeyValueGradients;
import org.lvxattn.layer.KeyValueLayout;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.layer.LayerOperations;
import org.lvxattn.layer.Norm;
import org.lvxattn.visual.KeyValueCache;
import org.lvxattn.visual.VisualCheckpoint;
import org.lvxattn.visual.VisualForward;

/** The first half of an mPLUG-Owl3 layer: {@code y = x + context Wo^T}. */
final class Owl3Attention {
  private static final String NORM = "input_layernorm.weight";
  private static final String VISUAL_WEIGHT = "self_attn.v_kv_proj.weight";
  private static final String VISUAL_BIAS = "self_attn.v_kv_proj.bias";
  private static final String OUT = "self_attn.o_proj.weight";
  private static final String GATE = "self_attn.gate";

  private final Owl3Variant variant;
  private final int hidden;
  private final double epsilon;
  private final double theta;
  private final CrossAttention attention;
  private final Owl3Text text;

  Owl3Attention(
      Owl3Variant variant, int hidden, double epsilon, double theta, CrossAttention attention) {
    this.variant = variant;
    this.hidden = hidden;
    this.epsilon = epsilon;
    this.theta = theta;
    this.attention = attention;
    this.text = new Owl3Text(hidden, theta, attention);
  }

  CrossAttention attention() {
    return attention;
  }

  Owl3Variant variant() {
    return variant;
  }

  int hidden() {
    return hidden;
  }

  void putShapes(Map<String, long[]> shapes) {
    shapes.put(NORM, new long[] {hidden});
    text.putShapes(shapes);
    shapes.put(VISUAL_WEIGHT, new long[] {2L * text.keyWidth(), hidden});
    shapes.put(VISUAL_BIAS, new long[] {2L * text.keyWidth()});
    shapes.put(OUT, new long[] {hidden, text.width()});
    if (variant == Owl3Variant.GATED) {
      shapes.put(GATE, new long[] {text.width()});
    }
  }

  KeyValueProjection projection(Parameters w, Owl3Batch batch) {
    return KeyValueProjection.builder()
        .layout(KeyValueLayout.INTERLEAVED)
        .keyValueHeads(attention.keyValueHeads())
        .headDim(attention.headDim())
        .inputNorm(Norm.RMS, epsilon, w.get(NORM), null)
        .weight(w.get(VISUAL_WEIGHT))
        .bias(w.get(VISUAL_BIAS))
        .rotary(theta, batch.keyPositions())
        .build();
  }

  /**
   * What backward needs; its size is proportional to the text rows, the past included. {@code
   * images} are views of {@code visual}. In the fused variant, {@code visual} holds the merged
   * softmax and {@code text} is null.
   */
  record Saved(
      Tensor x,
      Tensor q,
      Tensor k,
      Tensor v,
      VisualForward visual,
      Owl3Text.Attended images,
      Owl3Text.@Nullable Attended text) {}

  Saved forward(
      CollectiveSequence calls,
      TensorScope kept,
      Parameters w,
      Tensor x,
      VisualCheckpoint visual,
      Owl3Batch batch,
      @Nullable TextCache past,
      Tensor y) {
    Tensor k = text.behind(kept, past == null ? null : past.keys(), x);
    Tensor v = text.behind(kept, past == null ? null : past.values(), x);
    Tensor q = text.empty(kept, x);
    try (TensorScope scratch = new TensorScope(x.device())) {
      Tensor h = normed(scratch, w, x);
      text.query(w, h, batch.positions(), q);
      text.keyValues(w, h, batch.positions(), fresh(k, x), fresh(v, x));
    }
    KeyValueProjection projection = projection(w, batch);
    VisualForward seen =
        calls.call(() -> visual.forward(attention, projection, folded(q), batch.images().mask()));
    kept.add(seen);
    Owl3Text.Attended images = unfolded(seen.output(), seen.logSumExp(), q);
    try (TensorScope scratch = new TensorScope(x.device())) {
      boolean gated = variant == Owl3Variant.GATED;
      Owl3Text.Attended own =
          text.attend(calls, gated ? kept : scratch, visual.group(), q, k, v, batch.text());
      residual(w, x, context(scratch, w, own, images, batch), y);
      return new Saved(x, q, k, v, seen, images, gated ? own : null);
    }
  }

  /** As forward, over cached keys and values; appends those of the new rows to the past. */
  void decode(
      CollectiveSequence calls,
      Group group,
      Parameters w,
      Tensor x,
      KeyValueCache visual,
      TextCache past,
      Owl3Batch batch,
      Tensor y) {
    try (TensorScope scratch = new TensorScope(x.device())) {
      Tensor h = normed(scratch, w, x);
      Tensor q = text.empty(scratch, x);
      text.query(w, h, batch.positions(), q);
      long rows = x.dimension(1);
      Tensor k = past.keysAnd(rows);
      Tensor v = past.valuesAnd(rows);
      text.keyValues(w, h, batch.positions(), fresh(k, x), fresh(v, x));
      Owl3Text.Attended own = text.attend(calls, scratch, group, q, k, v, batch.text());
      try (AttentionForward seen =
          calls.call(
              () ->
                  attention.forward(
                      group, folded(q), visual.key(), visual.value(), batch.images().mask()))) {
        Owl3Text.Attended images = unfolded(seen.output(), seen.logSumExp(), q);
        residual(w, x, context(scratch, w, own, images, batch), y);
      }
    }
  }

  /** Overwrites d, the gradient of y, with the gradient of x; also overwrites dk and dv. */
  void backward(
      CollectiveSequence calls,
      Saved saved,
      Parameters w,
      VisualCheckpoint visual,
      Owl3Batch batch,
      Gradients g,
      Tensor d,
      Tensor dk,
      Tensor dv) {
    try (TensorScope scratch = new TensorScope(d.device())) {
      Tensor dText = scratch.like(saved.q);
      Tensor dImages = saved.text == null ? dText : scratch.like(saved.q);
      contextBackward(saved, w, batch, g, d, Heads.join(dText), Heads.join(dImages));
      Tensor dq = scratch.like(saved.q);
      text.attendBackward(
          calls,
          visual.group(),
          saved.q,
          saved.k,
          saved.v,
          batch.text(),
          saved.text == null ? saved.images : saved.text,
          dText,
          dq,
          dk,
          dv);
      Tensor dqImages = scratch.like(saved.q);
      KeyValueGradients parts =
          KeyValueGradients.builder()
              .inputWeight(g.get(NORM))
              .weight(g.get(VISUAL_WEIGHT))
              .bias(g.get(VISUAL_BIAS))
              .build();
      calls.call(() -> visual.backward(saved.visual, folded(dImages), folded(dqImages), parts));
      LayerOperations.add(Heads.join(dqImages), Heads.join(dq));

      Tensor h = normed(scratch, w, saved.x);
      Tensor dh = scratch.like(d);
      text.backward(w, g, h, batch.positions(), dq, fresh(dk, saved.x), fresh(dv, saved.x), dh);
      LayerOperations.normBackward(
          Norm.RMS, epsilon, saved.x, w.get(NORM), dh, d, true, g.get(NORM), null);
    }
  }

  /** Gradients of attention to text and images; the same tensor in the fused variant. */
  private static void contextBackward(
      Saved saved,
      Parameters w,
      Owl3Batch batch,
      Gradients g,
      Tensor d,
      Tensor dText,
      Tensor dImages) {
    Tensor images = Heads.join(saved.images.o());
    if (saved.text == null) {
      LayerOperations.linearBackward(images, w.get(OUT), d, dImages, false, g.get(OUT), null);
      return;
    }
    try (TensorScope scratch = new TensorScope(d.device())) {
      Tensor context = scratch.like(images);
      blend(w, saved.text, saved.images, batch, context);
      Tensor dContext = scratch.like(images);
      LayerOperations.linearBackward(context, w.get(OUT), d, dContext, false, g.get(OUT), null);
      LayerOperations.blendBackward(
          Heads.join(saved.text.o()),
          images,
          w.get(GATE),
          batch.images().live(),
          dContext,
          dText,
          dImages,
          g.get(GATE));
    }
  }

  /** The gradient of the cached rows, which come first among all keys or values. */
  Tensor past(Saved saved, Tensor gradient) {
    return text.keys(gradient.slice(1, 0, gradient.dimension(1) - saved.x.dimension(1)));
  }

  /** Keys or values of the rows of x, [batch, rows, keyValueHeads, headDim]. */
  Tensor fresh(Saved saved, Tensor all) {
    return text.keys(fresh(all, saved.x));
  }

  /** The input of the output projection, [batch, rows, heads * headDim]; fused: merges text. */
  private Tensor context(
      TensorScope scratch,
      Parameters w,
      Owl3Text.Attended own,
      Owl3Text.Attended images,
      Owl3Batch batch) {
    if (variant == Owl3Variant.FUSED) {
      PartialAttention.merge(own.o().device(), own.o(), own.lse(), images.o(), images.lse());
      return Heads.join(images.o());
    }
    Tensor context = scratch.like(Heads.join(own.o()));
    blend(w, own, images, batch, context);
    return context;
  }

  private static void blend(
      Parameters w,
      Owl3Text.Attended own,
      Owl3Text.Attended images,
      Owl3Batch batch,
      Tensor context) {
    LayerOperations.blend(
        Heads.join(own.o()), Heads.join(images.o()), w.get(GATE), batch.images().live(), context);
  }

  /** y = x + context Wo^T. */
  private static void residual(Parameters w, Tensor x, Tensor context, Tensor y) {
    LayerOperations.linear(context, w.get(OUT), null, y);
    LayerOperations.add(x, y);
  }

  private Tensor normed(TensorScope scope, Parameters w, Tensor x) {
    Tensor h = scope.like(x);
    LayerOperations.norm(Norm.RMS, epsilon, x, w.get(NORM), null, h);
    return h;
  }

  /** Views the rows of all items as rows of one item, since all images form one sequence. */
  private static Tensor folded(Tensor heads) {
    long rows = heads.dimension(0) * heads.dimension(1);
    return heads.reshape(1, rows, heads.dimension(2), heads.dimension(3));
  }

  /** Views folded results by item. */
  private static Owl3Text.Attended unfolded(Tensor o, Tensor lse, Tensor q) {
    Tensor byItem = lse.reshape(lse.dimension(1), q.dimension(0), q.dimension(1));
    return new Owl3Text.Attended(o.reshape(q.shape()), byItem.permute(1, 0, 2));
  }

  /** The last rows of keys or values, which belong to x. */
  private static Tensor fresh(Tensor all, Tensor x) {
    return all.slice(1, all.dimension(1) - x.dimension(1), all.dimension(1));
  }
}
