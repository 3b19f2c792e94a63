// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Map;
import org.lvxattn.AttentionForward;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.Device;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.PartialAttention;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.layer.KeyValueGradients;
import org.lvxattn.layer.KeyValueLayout;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.layer.LayerOperations;
import org.lvxattn.layer.Norm;
import org.lvxattn.visual.VisualCheckpoint;
import org.lvxattn.visual.VisualForward;

/**
 * The attention of one resampler layer, with its residual. Latents attend to the features and to
 * all latents in one softmax; the two partial results are merged by their log-sum-exp.
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

  /** What backward needs, for this rank's latents; keyValues holds their K and V. */
  record Saved(Tensor latents, Tensor q, Tensor keyValues, VisualForward visual) {}

  Saved forward(
      CollectiveSequence calls,
      TensorScope kept,
      Parameters w,
      Tensor latents,
      VisualCheckpoint visual,
      Tensor out) {
    Device device = kept.device();
    Tensor rows = rows(kept, latents, inner());
    Tensor keyValues = rows(kept, latents, 2 * inner());
    Tensor q = split(rows);
    try (TensorScope scratch = new TensorScope(device)) {
      Tensor h = scratch.like(latents);
      norm(w, latents, h);
      LayerOperations.linear(h, w.get(prefix + "to_q.weight"), null, rows);
      LayerOperations.linear(h, w.get(prefix + "to_kv.weight"), null, keyValues);
      KeyValueProjection projection = projection(w);
      VisualForward seen = calls.call(() -> visual.forward(attention, projection, q, Mask.none()));
      kept.add(seen);
      try (AttentionForward own =
          calls.call(
              () -> attention.forward(visual.group(), q, keys(keyValues), values(keyValues)))) {
        PartialAttention.merge(
            device, own.output(), own.logSumExp(), seen.output(), seen.logSumExp());
      }
      Tensor a = h; // not read any more
      LayerOperations.linear(Heads.join(seen.output()), w.get(prefix + "to_out.weight"), null, a);
      LayerOperations.gatedAdd(latents, a, null, null, out);
      return new Saved(latents, q, keyValues, seen);
    }
  }

  /** Overwrites d, the gradient of out, with the gradient of the latents. */
  void backward(
      CollectiveSequence calls,
      Saved saved,
      Parameters w,
      VisualCheckpoint visual,
      Gradients g,
      Tensor d) {
    Device device = d.device();
    try (TensorScope scratch = new TensorScope(device)) {
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
      KeyValueGradients parts =
          KeyValueGradients.builder()
              .weight(g.get(prefix + "to_kv.weight"))
              .inputWeight(g.get(prefix + "norm_media.weight"))
              .inputBias(g.get(prefix + "norm_media.bias"))
              .build();
      calls.call(() -> visual.backward(whole, dO, dq, parts));
      Tensor dqOwn = scratch.like(saved.q);
      Tensor dKeyValues = scratch.like(saved.keyValues);
      calls.call(
          () ->
              attention.backwardInto(
                  visual.group(),
                  new AttentionInputs(
                      saved.q, keys(saved.keyValues), values(saved.keyValues), Mask.none()),
                  new AttentionOutputs(whole.output(), whole.logSumExp()),
                  dO,
                  new GradientOutputs(dqOwn, keys(dKeyValues), values(dKeyValues), null),
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

  private static Tensor rows(TensorScope scope, Tensor like, int width) {
    return scope.allocate(like.dtype(), like.dimension(0), like.dimension(1), width);
  }
}
