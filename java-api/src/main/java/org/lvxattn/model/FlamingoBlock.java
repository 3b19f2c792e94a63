// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.lvxattn.AttentionForward;
import org.lvxattn.CrossAttention;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.group.Group;
import org.lvxattn.group.Operation;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.layer.KeyValueGradients;
import org.lvxattn.layer.KeyValueLayout;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.layer.LayerOperations;
import org.lvxattn.layer.Norm;
import org.lvxattn.visual.KeyValueCache;
import org.lvxattn.visual.VisualCheckpoint;
import org.lvxattn.visual.VisualForward;

/**
 * OpenFlamingo's gated cross-attention block (open_flamingo {@code GatedCrossAttentionBlock}),
 * which precedes a layer of the language model:
 *
 * <pre>
 * q = split(LN(x) to_q^T)    [k | v] = split(media to_kv^T)
 * y   = x + tanh(attn_gate) * join(softmax(headDim^-1/2 q k^T + mask) v) to_out^T
 * out = y + tanh(ff_gate) * W3 gelu(W1 LN(y))
 * </pre>
 *
 * <p>Rows that average all visual rows ({@link FlamingoMasks}) do so independently of their logits:
 * they pass no gradient to their queries or to the keys.
 *
 * <p>Parameters: {@code attn.norm.weight}, {@code attn.norm.bias}, {@code attn.to_q.weight}, {@code
 * attn.to_kv.weight}, {@code attn.to_out.weight}, {@code attn_gate}, {@code ff.0.weight}, {@code
 * ff.0.bias}, {@code ff.1.weight}, {@code ff.3.weight}, {@code ff_gate}; in checkpoints they have
 * the prefix {@code lang_encoder.transformer.blocks.N.gated_cross_attn_layer.}. Immutable.
 */
public final class FlamingoBlock {
  private static final String NORM_WEIGHT = "attn.norm.weight";
  private static final String NORM_BIAS = "attn.norm.bias";
  private static final String TO_Q = "attn.to_q.weight";
  private static final String TO_KV = "attn.to_kv.weight";
  private static final String TO_OUT = "attn.to_out.weight";
  private static final String GATE = "attn_gate";

  private final int width;
  private final int visualWidth;
  private final double epsilon;
  private final CrossAttention attention;
  private final FeedForward feedForward;

  private FlamingoBlock(Builder settings, CrossAttention attention) {
    this.width = settings.width;
    this.visualWidth = settings.visualWidth;
    this.epsilon = settings.epsilon;
    this.attention = attention;
    int inner = Math.multiplyExact(settings.feedForwardFactor, width);
    this.feedForward = new FeedForward("ff.", "ff_gate", width, inner, epsilon);
  }

  /** A builder with 8 heads of 64 elements; width and visualWidth must be set. */
  public static Builder builder() {
    return new Builder();
  }

  /** The attention that the layer computes. */
  public CrossAttention attention() {
    return attention;
  }

  /** Names and shapes of the parameters. */
  public SequencedMap<String, long[]> parameterShapes() {
    int inner = attention.heads() * attention.headDim();
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put(NORM_WEIGHT, new long[] {width});
    shapes.put(NORM_BIAS, new long[] {width});
    shapes.put(TO_Q, new long[] {inner, width});
    shapes.put(TO_KV, new long[] {2L * inner, visualWidth});
    shapes.put(TO_OUT, new long[] {width, inner});
    shapes.put(GATE, new long[] {1});
    feedForward.putShapes(shapes);
    return shapes;
  }

  /** How keys and values are projected from the media. */
  public KeyValueProjection projection(Parameters weights) {
    return KeyValueProjection.builder()
        .layout(KeyValueLayout.CONCATENATED)
        .keyValueHeads(attention.heads())
        .headDim(attention.headDim())
        .weight(weights.get(TO_KV))
        .build();
  }

  /**
   * Computes the block and keeps what backward needs. A collective call.
   *
   * @param weights by the names above
   * @param x text rows of this rank, {@code [batch, rows, width]}
   * @param visual media of this rank, {@code [batch, rows, visualWidth]}, the output of the
   *     resampler
   * @param mask of {@link FlamingoMasks}, or {@link VisualMask#none} without media locations
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public Activations forward(
      Parameters weights, Tensor x, VisualCheckpoint visual, VisualMask mask) {
    Group group = Preconditions.present(visual, "visual").group();
    CollectiveSequence calls = new CollectiveSequence(group, Operation.FORWARD, 1);
    TensorScope kept = new TensorScope(group.device());
    try {
      requireFitting(weights, x, mask);
      Tensor q = query(kept, weights, x, mask);
      KeyValueProjection projection = projection(weights);
      VisualForward attended =
          calls.call(() -> visual.forward(attention, projection, q, mask.mask()));
      kept.add(attended);
      Tensor a = kept.like(x);
      LayerOperations.linear(Heads.join(attended.output()), weights.get(TO_OUT), null, a);
      Tensor y = kept.like(x);
      LayerOperations.gatedAdd(x, a, weights.get(GATE), null, y);
      Tensor out = kept.like(x);
      FeedForward.Saved mixed = feedForward.forward(kept, weights, y, out);
      return new Activations(new Saved(x, q, attended, a, mixed), weights, visual, mask, out, kept);
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, kept);
      calls.failed(e);
      throw e;
    }
  }

  /**
   * Computes gradients. Accumulates the parameters' gradients into {@code gradients} and the
   * media's gradient into the checkpoint. A collective call.
   *
   * @param activations of forward; their inputs must be open and unchanged
   * @param dOut gradient of the output: its shape and dtype
   * @param gradients by the parameters' names; over this rank's rows
   * @return gradient of x; the caller closes it
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public Tensor backward(Activations activations, Tensor dOut, Gradients gradients) {
    Group group = Preconditions.present(activations, "activations").visual.group();
    CollectiveSequence calls = new CollectiveSequence(group, Operation.BACKWARD, 1);
    TensorScope made = new TensorScope(group.device());
    try {
      SequenceShapes.sameShape(dOut, "dOut", activations.out);
      Preconditions.present(gradients, "gradients").require(parameterShapes());
      Tensor d = made.like(dOut).copyFrom(dOut);
      feedForward.backward(activations.saved.feedForward, activations.weights, gradients, d);
      attentionBackward(calls, activations, gradients, d);
      return d;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, made);
      calls.failed(e);
      throw e;
    }
  }

  /** Overwrites d, the gradient of y, with the gradient of x. */
  private void attentionBackward(
      CollectiveSequence calls, Activations activations, Gradients g, Tensor d) {
    Parameters w = activations.weights;
    Saved saved = activations.saved;
    try (TensorScope scratch = new TensorScope(d.device())) {
      Tensor da = scratch.like(d);
      LayerOperations.gatedAddBackward(saved.branch, w.get(GATE), null, d, da, g.get(GATE));
      Tensor dO = scratch.like(saved.q);
      LayerOperations.linearBackward(
          Heads.join(saved.attention.output()),
          w.get(TO_OUT),
          da,
          Heads.join(dO),
          false,
          g.get(TO_OUT),
          null);
      Tensor dq = scratch.like(saved.q);
      KeyValueGradients parts = KeyValueGradients.builder().weight(g.get(TO_KV)).build();
      calls.call(() -> activations.visual.backward(saved.attention, dO, dq, parts));
      clearAveraging(activations.mask, dq);
      Tensor h = scratch.like(d);
      norm(w, saved.x, h);
      Tensor dh = da; // not read any more
      LayerOperations.linearBackward(h, w.get(TO_Q), Heads.join(dq), dh, false, g.get(TO_Q), null);
      LayerOperations.normBackward(
          Norm.LAYER,
          epsilon,
          saved.x,
          w.get(NORM_WEIGHT),
          dh,
          d,
          true,
          g.get(NORM_WEIGHT),
          g.get(NORM_BIAS));
    }
  }

  /**
   * Computes the block over cached keys and values. Keeps nothing for backward. A collective call.
   *
   * @param group the ranks
   * @param weights by the names above
   * @param x new text rows of this rank, {@code [batch, rows, width]}
   * @param cache result of {@link VisualCheckpoint#project} with {@link #projection}
   * @param mask as in forward; usually {@link FlamingoMasks#ofCached}
   * @return the output, shape and dtype of x; the caller closes it
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public Tensor decode(
      Group group, Parameters weights, Tensor x, KeyValueCache cache, VisualMask mask) {
    CollectiveSequence calls =
        new CollectiveSequence(Preconditions.present(group, "group"), Operation.FORWARD, 1);
    TensorScope made = new TensorScope(group.device());
    try (TensorScope scratch = new TensorScope(group.device())) {
      requireFitting(weights, x, mask);
      Preconditions.present(cache, "cache");
      Tensor out = made.like(x);
      Tensor q = query(scratch, weights, x, mask);
      Tensor y = scratch.like(x);
      try (AttentionForward attended =
          calls.call(() -> attention.forward(group, q, cache.key(), cache.value(), mask.mask()))) {
        LayerOperations.linear(Heads.join(attended.output()), weights.get(TO_OUT), null, y);
      }
      LayerOperations.gatedAdd(x, y, weights.get(GATE), null, y);
      feedForward.forward(scratch, weights, y, out);
      return out;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, made);
      calls.failed(e);
      throw e;
    }
  }

  private void requireFitting(Parameters weights, Tensor x, VisualMask mask) {
    Preconditions.present(weights, "weights").require(parameterShapes());
    SequenceShapes.rows(x, "x", width);
    Preconditions.present(mask, "mask");
  }

  private Tensor query(TensorScope scope, Parameters w, Tensor x, VisualMask mask) {
    int inner = attention.heads() * attention.headDim();
    Tensor rows = scope.allocate(x.dtype(), x.dimension(0), x.dimension(1), inner);
    try (TensorScope scratch = new TensorScope(x.device())) {
      Tensor h = scratch.like(x);
      norm(w, x, h);
      LayerOperations.linear(h, w.get(TO_Q), null, rows);
    }
    Tensor q = Heads.split(rows, attention.heads(), attention.headDim());
    clearAveraging(mask, q);
    return q;
  }

  /** Sets q to 0 in rows that average all visual rows: all logits of such a row are then equal. */
  private static void clearAveraging(VisualMask mask, Tensor q) {
    Tensor live = mask.live();
    if (live != null) {
      LayerOperations.clearRows(live, Heads.join(q));
    }
  }

  private void norm(Parameters w, Tensor x, Tensor h) {
    LayerOperations.norm(Norm.LAYER, epsilon, x, w.get(NORM_WEIGHT), w.get(NORM_BIAS), h);
  }

  private record Saved(
      Tensor x, Tensor q, VisualForward attention, Tensor branch, FeedForward.Saved feedForward) {}

  /**
   * The result of {@link #forward}: it owns the output and what backward needs, and refers to its
   * inputs, which the caller owns.
   */
  public static final class Activations implements AutoCloseable {
    private final Saved saved;
    private final Parameters weights;
    private final VisualCheckpoint visual;
    private final VisualMask mask;
    private final Tensor out;
    private final TensorScope kept;

    private Activations(
        Saved saved,
        Parameters weights,
        VisualCheckpoint visual,
        VisualMask mask,
        Tensor out,
        TensorScope kept) {
      this.saved = saved;
      this.weights = weights;
      this.visual = visual;
      this.mask = mask;
      this.out = out;
      this.kept = kept;
    }

    /** Shape and dtype of x. */
    public Tensor output() {
      return out;
    }

    /** Queries {@code [batch, rows, heads, headDim]}; 0 for rows that see no image. */
    public Tensor query() {
      return saved.q;
    }

    /** The attention before its output projection. */
    public VisualForward attention() {
      return saved.attention;
    }

    /** Frees what is kept. Closing again does nothing. */
    @Override
    public void close() {
      kept.close();
    }
  }

  /** Sets up a {@link FlamingoBlock}. */
  public static final class Builder {
    private int width;
    private int visualWidth;
    private int heads = 8;
    private int headDim = 64;
    private int feedForwardFactor = 4;
    private double epsilon = 1e-5;
    private Strategy strategy = Strategy.QUERY_RING;

    private Builder() {}

    /** Width of the text rows; must be set. */
    public Builder width(int width) {
      this.width = Preconditions.positive(width, "width");
      return this;
    }

    /** Width of the media; must be set. */
    public Builder visualWidth(int visualWidth) {
      this.visualWidth = Preconditions.positive(visualWidth, "visualWidth");
      return this;
    }

    /** Number of heads; 8 if not set. */
    public Builder heads(int heads) {
      this.heads = Preconditions.positive(heads, "heads");
      return this;
    }

    /** Elements of one head, a multiple of 8 up to 256; 64 if not set. */
    public Builder headDim(int headDim) {
      this.headDim = Preconditions.positive(headDim, "headDim");
      return this;
    }

    /** Inner width of the feed-forward, as a multiple of width; 4 if not set. */
    public Builder feedForwardFactor(int feedForwardFactor) {
      this.feedForwardFactor = Preconditions.positive(feedForwardFactor, "feedForwardFactor");
      return this;
    }

    /** Epsilon that the norms add to the variance; 1e-5 if not set. */
    public Builder epsilon(double epsilon) {
      this.epsilon = Preconditions.finitePositive(epsilon, "epsilon");
      return this;
    }

    /** Which tensors move between the ranks; {@link Strategy#QUERY_RING} if not set. */
    public Builder strategy(Strategy strategy) {
      this.strategy = Preconditions.present(strategy, "strategy");
      return this;
    }

    /**
     * Builds the block.
     *
     * @throws IllegalStateException if a required setting is missing
     * @throws IllegalArgumentException if {@link CrossAttention} does not accept heads or headDim
     */
    public FlamingoBlock build() {
      Preconditions.set(width, "width");
      Preconditions.set(visualWidth, "visualWidth");
      return new FlamingoBlock(this, Attentions.of(heads, heads, headDim, strategy));
    }
  }
}
