// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Map;
import org.lvxattn.AttentionForward;
import org.lvxattn.CrossAttention;
import org.lvxattn.Device;
import org.lvxattn.KeyValueLayout;
import org.lvxattn.KeyValueProjection;
import org.lvxattn.LayerOperations;
import org.lvxattn.Mask;
import org.lvxattn.Norm;
import org.lvxattn.PartialAttention;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.VisualCheckpoint;
import org.lvxattn.VisualForward;

/**
 * The attention of one resampler layer, with its residual: latents attend to the features and to
 * all latents in one softmax, whose two parts are merged by their log-sum-exp.
 */
final class PerceiverAttention {
  private final String prefix;
  private final int width;
  private final double epsilon;
  private final CrossAttention attention;

  PerceiverAttention(String prefix, int width, double epsilon, CrossAttention attention) {
    this.prefix = prefix;
    this.width = width;
    this.epsilon = epsilon;
    this.attention = attention;
  }

  void putShapes(Map<String, long[]> shapes) {
    int inner = inner();
    for (String norm : new String[] {"norm_media", "norm_latents"}) {
      shapes.put(prefix + norm + ".weight", new long[] {width});
      shapes.put(prefix + norm + ".bias", new long[] {width});
    }
    shapes.put(prefix + "to_q.weight", new long[] {inner, width});
    shapes.put(prefix + "to_kv.weight", new long[] {2L * inner, width});
    shapes.put(prefix + "to_out.weight", new long[] {width, inner});
  }

  KeyValueProjection projection(Parameters w) {
    return KeyValueProjection.builder()
        .layout(KeyValueLayout.CONCATENATED)
        .keyValueHeads(attention.heads())
        .headDim(attention.headDim())
        .inputNorm(
            Norm.LAYER,
            epsilon,
            w.get(prefix + "norm_media.weight"),
            w.get(prefix + "norm_media.bias"))
        .weight(w.get(prefix + "to_kv.weight"))
        .build();
  }

  /** What backward needs, all as large as the latents: keyValues holds K and V of the latents. */
  record Saved(Tensor latents, Tensor q, Tensor keyValues, VisualForward visual) {}

  Saved forward(
      Turn turn, Scope kept, Parameters w, Tensor latents, VisualCheckpoint visual, Tensor out) {
    Device device = kept.device();
    Tensor rows = rows(kept, latents, inner());
    Tensor keyValues = rows(kept, latents, 2 * inner());
    Tensor q = split(rows);
    try (Scope scratch = new Scope(device)) {
      Tensor h = scratch.like(latents);
      norm(w, latents, h);
      LayerOperations.linear(h, w.get(prefix + "to_q.weight"), null, rows);
      LayerOperations.linear(h, w.get(prefix + "to_kv.weight"), null, keyValues);
      KeyValueProjection projection = projection(w);
      VisualForward seen = turn.call(() -> visual.forward(attention, projection, q, Mask.none()));
      kept.atEnd(seen::close);
      try (AttentionForward own =
          turn.call(
              () -> attention.forward(visual.group(), q, keys(keyValues), values(keyValues)))) {
        PartialAttention.merge(
            device, own.output(), own.logSumExp(), seen.output(), seen.logSumExp());
      }
      Tensor a = h; // which nobody reads any more
      LayerOperations.linear(Heads.join(seen.output()), w.get(prefix + "to_out.weight"), null, a);
      LayerOperations.gatedAdd(latents, a, null, null, out);
      return new Saved(latents, q, keyValues, seen);
    }
  }

  /** Turns d, the gradient of out, into that of the latents. */
  void backward(
      Turn turn, Saved saved, Parameters w, VisualCheckpoint visual, Gradients g, Tensor d) {
    Device device = d.device();
    try (Scope scratch = new Scope(device)) {
      VisualForward whole = saved.visual;
      Tensor dO = scratch.like(saved.q);
      LayerOperations.linearBackward(
          Heads.join(whole.output()),
          w.get(prefix + "to_out.weight"),
          d,
          Heads.join(dO),
          false,
          g.get(prefix + "to_out.weight"),
          null);
      Tensor dq = scratch.like(saved.q);
      KeyValueProjection.Gradients parts =
          KeyValueProjection.Gradients.builder()
              .weight(g.get(prefix + "to_kv.weight"))
              .inputWeight(g.get(prefix + "norm_media.weight"))
              .inputBias(g.get(prefix + "norm_media.bias"))
              .build();
      turn.call(() -> visual.backward(whole, dO, dq, parts));
      Tensor dqOwn = scratch.like(saved.q);
      Tensor dKeyValues = scratch.like(saved.keyValues);
      turn.call(
          () ->
              attention.backwardInto(
                  visual.group(),
                  saved.q,
                  keys(saved.keyValues),
                  values(saved.keyValues),
                  Mask.none(),
                  whole.output(),
                  whole.logSumExp(),
                  dO,
                  dqOwn,
                  keys(dKeyValues),
                  values(dKeyValues),
                  null,
                  Statistics.create()));
      LayerOperations.add(Heads.join(dqOwn), Heads.join(dq));

      Tensor h = scratch.like(d);
      norm(w, saved.latents, h);
      Tensor dh = scratch.like(d);
      linearBackward(w, g, "to_q.weight", h, Heads.join(dq), dh, false);
      linearBackward(w, g, "to_kv.weight", h, dKeyValues, dh, true);
      LayerOperations.normBackward(
          Norm.LAYER,
          epsilon,
          saved.latents,
          w.get(prefix + "norm_latents.weight"),
          dh,
          d,
          true,
          g.get(prefix + "norm_latents.weight"),
          g.get(prefix + "norm_latents.bias"));
    }
  }

  private void linearBackward(
      Parameters w, Gradients g, String name, Tensor h, Tensor dy, Tensor dh, boolean add) {
    LayerOperations.linearBackward(
        h, w.get(prefix + name), dy, dh, add, g.get(prefix + name), null);
  }

  private void norm(Parameters w, Tensor latents, Tensor h) {
    LayerOperations.norm(
        Norm.LAYER,
        epsilon,
        latents,
        w.get(prefix + "norm_latents.weight"),
        w.get(prefix + "norm_latents.bias"),
        h);
  }

  private int inner() {
    return attention.heads() * attention.headDim();
  }

  private Tensor keys(Tensor keyValues) {
    return split(keyValues.slice(2, 0, inner()));
  }

  private Tensor values(Tensor keyValues) {
    return split(keyValues.slice(2, inner(), 2L * inner()));
  }

  private Tensor split(Tensor rows) {
    return Heads.split(rows, attention.heads(), attention.headDim());
  }

  private static Tensor rows(Scope scope, Tensor like, int width) {
    return scope.allocate(like.dtype(), like.dimension(0), like.dimension(1), width);
  }
}
