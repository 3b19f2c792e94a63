// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.lvxattn.AttentionForward;
import org.lvxattn.CrossAttention;
import org.lvxattn.Group;
import org.lvxattn.KeyValueCache;
import org.lvxattn.KeyValueLayout;
import org.lvxattn.KeyValueProjection;
import org.lvxattn.LayerOperations;
import org.lvxattn.Norm;
import org.lvxattn.Operation;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.VisualCheckpoint;
import org.lvxattn.VisualForward;

/**
 * Llama 3-V's cross-attention without what surrounds it (transformers {@code
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

  /** Starts with nothing set; hidden, heads and headDim must be. */
  public static Builder builder() {
    return new Builder();
  }

  /** Width of the text rows and of the visual features. */
  public int hidden() {
    return hidden;
  }

  /** The attention that is computed. */
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

  /** How keys and values are made of the visual features. */
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
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called something
   *     else
   */
  public Activations forward(
      Parameters weights, Tensor h, VisualCheckpoint visual, VisualMask mask) {
    Group group = Checks.present(visual, "visual").group();
    Turn turn = new Turn(group, Operation.FORWARD, 1);
    Scope kept = new Scope(group.device());
    try {
      Checks.present(weights, "weights").require(parameterShapes());
      Checks.rows(h, "h", hidden);
      Checks.present(mask, "mask");
      Tensor out = kept.like(h);
      Saved saved = forward(turn, kept, weights, h, visual, mask, out);
      return new Activations(weights, visual, saved, out, kept);
    } catch (RuntimeException e) {
      kept.closeAfter(e);
      throw turn.failed(e);
    }
  }

  /**
   * Computes gradients: adds those of the parameters to gradients, and that of the features to the
   * checkpoint. A collective call.
   *
   * @param activations of forward; what they were computed from must be open and unchanged
   * @param dOut gradient of the output: its shape and dtype
   * @param gradients by the parameters' names; this rank's share
   * @return gradient of h, for the caller to close
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called something
   *     else
   */
  public Tensor backward(Activations activations, Tensor dOut, Gradients gradients) {
    VisualCheckpoint visual = Checks.present(activations, "activations").visual;
    Turn turn = new Turn(visual.group(), Operation.BACKWARD, 1);
    Scope made = new Scope(visual.group().device());
    try {
      Checks.sameShape(dOut, "dOut", activations.out);
      Checks.present(gradients, "gradients").require(parameterShapes());
      Tensor dh = made.like(dOut);
      backward(turn, activations.saved, activations.weights, visual, gradients, dOut, dh);
      return dh;
    } catch (RuntimeException e) {
      made.closeAfter(e);
      throw turn.failed(e);
    }
  }

  /** What backward needs, all as large as the text rows or kept by the checkpoint. */
  record Saved(Tensor h, Query query, VisualForward visual) {}

  /** Queries before and after their norm, [batch, rows, heads, headDim]. */
  record Query(Tensor raw, Tensor normed) {}

  Saved forward(
      Turn turn,
      Scope kept,
      Parameters w,
      Tensor h,
      VisualCheckpoint visual,
      VisualMask mask,
      Tensor out) {
    Query q = query(kept, w, h);
    KeyValueProjection projection = projection(w);
    VisualForward forward =
        turn.call(() -> visual.forward(attention, projection, q.normed, mask.mask()));
    kept.atEnd(forward::close);
    output(w, forward.output(), out);
    return new Saved(h, q, forward);
  }

  /** As forward, over cached keys and values; keeps nothing. */
  void decode(
      Turn turn,
      Group group,
      Parameters w,
      Tensor h,
      KeyValueCache cache,
      VisualMask mask,
      Tensor out) {
    try (Scope scratch = new Scope(group.device())) {
      Query q = query(scratch, w, h);
      try (AttentionForward forward =
          turn.call(
              () -> attention.forward(group, q.normed, cache.key(), cache.value(), mask.mask()))) {
        output(w, forward.output(), out);
      }
    }
  }

  private Query query(Scope scope, Parameters w, Tensor h) {
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
      Turn turn,
      Saved saved,
      Parameters w,
      VisualCheckpoint visual,
      Gradients g,
      Tensor da,
      Tensor dh) {
    try (Scope scratch = new Scope(da.device())) {
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
      KeyValueProjection.Gradients parts =
          KeyValueProjection.Gradients.builder()
              .weight(g.get("k_proj.weight"))
              .valueWeight(g.get("v_proj.weight"))
              .keyWeight(g.get("k_norm.weight"))
              .build();
      turn.call(() -> visual.backward(saved.visual, dO, dq, parts));
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
   * The result of {@link #forward}: it owns the output and what backward needs, and remembers what
   * it was computed from, which stays the caller's.
   */
  public static final class Activations implements AutoCloseable {
    private final Parameters weights;
    private final VisualCheckpoint visual;
    private final Saved saved;
    private final Tensor out;
    private final Scope kept;

    private Activations(
        Parameters weights, VisualCheckpoint visual, Saved saved, Tensor out, Scope kept) {
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

    /** The attention itself, before its output projection. */
    public VisualForward attention() {
      return saved.visual;
    }

    /**
     * Frees what is kept.
     *
     * @throws IllegalStateException if something of it was closed already
     */
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
      this.hidden = Checks.positive(hidden, "hidden");
      return this;
    }

    /** Number of query heads; must be set. */
    public Builder heads(int heads) {
      this.heads = Checks.positive(heads, "heads");
      return this;
    }

    /** Number of key and value heads; as many as query heads if not set. */
    public Builder keyValueHeads(int keyValueHeads) {
      this.keyValueHeads = Checks.positive(keyValueHeads, "keyValueHeads");
      return this;
    }

    /** Elements of one head, a multiple of 8 up to 256; must be set. */
    public Builder headDim(int headDim) {
      this.headDim = Checks.positive(headDim, "headDim");
      return this;
    }

    /** What the norms add to the mean square; 1e-5 if not set. */
    public Builder epsilon(double epsilon) {
      this.epsilon = Checks.epsilon(epsilon);
      return this;
    }

    /** What moves between ranks; {@link Strategy#QUERY_RING} if not set. */
    public Builder strategy(Strategy strategy) {
      this.strategy = Checks.present(strategy, "strategy");
      return this;
    }

    /**
     * The attention that was described.
     *
     * @throws IllegalStateException if something that must be set was not
     * @throws IllegalArgumentException if heads and headDim make no attention
     */
    public LlamaCrossAttention build() {
      Checks.set(hidden, "hidden");
      return new LlamaCrossAttention(
          hidden, epsilon, Attentions.of(heads, keyValueHeads, headDim, strategy));
    }
  }
}
