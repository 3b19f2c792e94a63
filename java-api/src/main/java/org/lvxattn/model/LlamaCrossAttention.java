// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.LinkedHashMap;
import java.util.Map;
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
 * Llama 3-V's cross-attention without the rest of the layer (transformers {@code
 * MllamaTextCrossAttention}):
 *
 * <pre>
 * q = RMS(split(h Wq^T); q_norm)    k = RMS(split(c Wk^T); k_norm)    v = split(c Wv^T)
 * out = join(softmax(headDim^-1/2 q k^T + mask) v) Wo^T
 * </pre>
 *
 * <p>Parameters: {@code q_proj.weight}, {@code k_proj.weight}, {@code v_proj.weight}, {@code
 * o_proj.weight}, {@code q_norm.weight}, {@code k_norm.weight}. Immutable.
 */
public final class LlamaCrossAttention {
  private final int hidden;
  private final double epsilon;
  private final CrossAttention attention;

  private LlamaCrossAttention(int hidden, double epsilon, CrossAttention attention) {
    this.hidden = hidden;
    this.epsilon = epsilon;
    this.attention = attention;
  }

  /** An empty builder; hidden, heads and headDim must be set. */
  public static Builder builder() {
    return new Builder();
  }

  /** Width of the text rows and of the visual features. */
  public int hidden() {
    return hidden;
  }

  /** The attention that the layer computes. */
  public CrossAttention attention() {
    return attention;
  }

  /** Names and shapes of the parameters. */
  public SequencedMap<String, long[]> parameterShapes() {
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    putShapes(shapes, "");
    return shapes;
  }

  void putShapes(Map<String, long[]> shapes, String prefix) {
    int width = attention.heads() * attention.headDim();
    int keyWidth = attention.keyValueHeads() * attention.headDim();
    shapes.put(prefix + "q_proj.weight", new long[] {width, hidden});
    shapes.put(prefix + "k_proj.weight", new long[] {keyWidth, hidden});
    shapes.put(prefix + "v_proj.weight", new long[] {keyWidth, hidden});
    shapes.put(prefix + "o_proj.weight", new long[] {hidden, width});
    shapes.put(prefix + "q_norm.weight", new long[] {attention.headDim()});
    shapes.put(prefix + "k_norm.weight", new long[] {attention.headDim()});
  }

  /** How keys and values are projected from the visual features. */
  public KeyValueProjection projection(Parameters weights) {
    return KeyValueProjection.builder()
        .layout(KeyValueLayout.SEPARATE)
        .keyValueHeads(attention.keyValueHeads())
        .headDim(attention.headDim())
        .weight(weights.get("k_proj.weight"))
        .valueWeight(weights.get("v_proj.weight"))
        .keyNorm(epsilon, weights.get("k_norm.weight"))
        .build();
  }

  /**
   * Computes attention and keeps what backward needs. A collective call.
   *
   * @param weights by the names above
   * @param h normalised text rows of this rank, {@code [batch, rows, hidden]}
   * @param visual the visual features of this rank, {@code [batch, rows, hidden]}
   * @param mask of {@link LlamaMasks}, or {@link VisualMask#none}
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public Activations forward(
      Parameters weights, Tensor h, VisualCheckpoint visual, VisualMask mask) {
    Group group = Preconditions.present(visual, "visual").group();
    CollectiveSequence calls = new CollectiveSequence(group, Operation.FORWARD, 1);
    TensorScope kept = new TensorScope(group.device());
    try {
      Preconditions.present(weights, "weights").require(parameterShapes());
      SequenceShapes.rows(h, "h", hidden);
      Preconditions.present(mask, "mask");
      Tensor out = kept.like(h);
      Saved saved = forward(calls, kept, weights, h, visual, mask, out);
      return new Activations(weights, visual, saved, out, kept);
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, kept);
      calls.failed(e);
      throw e;
    }
  }

  /**
   * Computes gradients. Accumulates the parameters' gradients into {@code gradients} and the
   * features' gradient into the checkpoint. A collective call.
   *
   * @param activations of forward; their inputs must be open and unchanged
   * @param dOut gradient of the output: its shape and dtype
   * @param gradients by the parameters' names; over this rank's rows
   * @return gradient of h; the caller closes it
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public Tensor backward(Activations activations, Tensor dOut, Gradients gradients) {
    VisualCheckpoint visual = Preconditions.present(activations, "activations").visual;
    CollectiveSequence calls = new CollectiveSequence(visual.group(), Operation.BACKWARD, 1);
    TensorScope made = new TensorScope(visual.group().device());
    try {
      SequenceShapes.sameShape(dOut, "dOut", activations.out);
      Preconditions.present(gradients, "gradients").require(parameterShapes());
      Tensor dh = made.like(dOut);
      backward(calls, activations.saved, activations.weights, visual, gradients, dOut, dh);
      return dh;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, made);
      calls.failed(e);
      throw e;
    }
  }

  /**
   * What backward needs: tensors with as many rows as the text, or kept by the checkpoint's policy.
   */
  record Saved(Tensor h, Query query, VisualForward visual) {}

  /** Queries before and after their norm, [batch, rows, heads, headDim]. */
  record Query(Tensor raw, Tensor normed) {}

  Saved forward(
      CollectiveSequence calls,
      TensorScope kept,
      Parameters w,
      Tensor h,
      VisualCheckpoint visual,
      VisualMask mask,
      Tensor out) {
    Query q = query(kept, w, h);
    KeyValueProjection projection = projection(w);
    VisualForward forward =
        calls.call(() -> visual.forward(attention, projection, q.normed, mask.mask()));
    kept.add(forward);
    output(w, forward.output(), out);
    return new Saved(h, q, forward);
  }

  /** As forward, over cached keys and values; keeps nothing for backward. */
  void decode(
      CollectiveSequence calls,
      Group group,
      Parameters w,
      Tensor h,
      KeyValueCache cache,
      VisualMask mask,
      Tensor out) {
    try (TensorScope scratch = new TensorScope(group.device())) {
      Query q = query(scratch, w, h);
      try (AttentionForward forward =
          calls.call(
              () -> attention.forward(group, q.normed, cache.key(), cache.value(), mask.mask()))) {
        output(w, forward.output(), out);
      }
    }
  }

  private Query query(TensorScope scope, Parameters w, Tensor h) {
    int width = attention.heads() * attention.headDim();
    Tensor rows = scope.allocate(h.dtype(), h.dimension(0), h.dimension(1), width);
    LayerOperations.linear(h, w.get("q_proj.weight"), null, rows);
    Tensor raw = Heads.split(rows, attention.heads(), attention.headDim());
    Tensor q = scope.like(raw);
    LayerOperations.norm(Norm.RMS, epsilon, raw, w.get("q_norm.weight"), null, q);
    return new Query(raw, q);
  }

  private static void output(Parameters w, Tensor o, Tensor out) {
    LayerOperations.linear(Heads.join(o), w.get("o_proj.weight"), null, out);
  }

  /** Overwrites dh. */
  void backward(
      CollectiveSequence calls,
      Saved saved,
      Parameters w,
      VisualCheckpoint visual,
      Gradients g,
      Tensor da,
      Tensor dh) {
    try (TensorScope scratch = new TensorScope(da.device())) {
      Query query = saved.query;
      Tensor dO = scratch.like(query.normed);
      LayerOperations.linearBackward(
          Heads.join(saved.visual.output()),
          w.get("o_proj.weight"),
          da,
          Heads.join(dO),
          false,
          g.get("o_proj.weight"),
          null);
      Tensor dq = scratch.like(query.normed);
      KeyValueGradients parts =
          KeyValueGradients.builder()
              .weight(g.get("k_proj.weight"))
              .valueWeight(g.get("v_proj.weight"))
              .keyWeight(g.get("k_norm.weight"))
              .build();
      calls.call(() -> visual.backward(saved.visual, dO, dq, parts));
      LayerOperations.normBackward(
          Norm.RMS,
          epsilon,
          query.raw,
          w.get("q_norm.weight"),
          dq,
          dq,
          false,
          g.get("q_norm.weight"),
          null);
      LayerOperations.linearBackward(
          saved.h, w.get("q_proj.weight"), Heads.join(dq), dh, false, g.get("q_proj.weight"), null);
    }
  }

  /**
   * The result of {@link #forward}: it owns the output and what backward needs, and refers to its
   * inputs, which the caller owns.
   */
  public static final class Activations implements AutoCloseable {
    private final Parameters weights;
    private final VisualCheckpoint visual;
    private final Saved saved;
    private final Tensor out;
    private final TensorScope kept;

    private Activations(
        Parameters weights, VisualCheckpoint visual, Saved saved, Tensor out, TensorScope kept) {
      this.weights = weights;
      this.visual = visual;
      this.saved = saved;
      this.out = out;
      this.kept = kept;
    }

    /** Shape and dtype of h. */
    public Tensor output() {
      return out;
    }

    /** Queries after their norm, {@code [batch, rows, heads, headDim]}. */
    public Tensor query() {
      return saved.query.normed;
    }

    /** The attention before its output projection. */
    public VisualForward attention() {
      return saved.visual;
    }

    /** Frees what is kept. Closing again does nothing. */
    @Override
    public void close() {
      kept.close();
    }
  }

  /** Sets up a {@link LlamaCrossAttention}. */
  public static final class Builder {
    private int hidden;
    private int heads;
    private int keyValueHeads;
    private int headDim;
    private double epsilon = 1e-5;
    private Strategy strategy = Strategy.QUERY_RING;

    private Builder() {}

    /** Width of the text rows and of the visual features; must be set. */
    public Builder hidden(int hidden) {
      this.hidden = Preconditions.positive(hidden, "hidden");
      return this;
    }

    /** Number of query heads; must be set. */
    public Builder heads(int heads) {
      this.heads = Preconditions.positive(heads, "heads");
      return this;
    }

    /** Number of key and value heads; as many as query heads if not set. */
    public Builder keyValueHeads(int keyValueHeads) {
      this.keyValueHeads = Preconditions.positive(keyValueHeads, "keyValueHeads");
      return this;
    }

    /** Elements of one head, a multiple of 8 up to 256; must be set. */
    public Builder headDim(int headDim) {
      this.headDim = Preconditions.positive(headDim, "headDim");
      return this;
    }

    /** Epsilon that the norms add to the mean square; 1e-5 if not set. */
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
     * Builds the attention.
     *
     * @throws IllegalStateException if a required setting is missing
     * @throws IllegalArgumentException if {@link CrossAttention} does not accept heads or headDim
     */
    public LlamaCrossAttention build() {
      Preconditions.set(hidden, "hidden");
      return new LlamaCrossAttention(
          hidden, epsilon, Attentions.of(heads, keyValueHeads, headDim, strategy));
    }
  }
}
