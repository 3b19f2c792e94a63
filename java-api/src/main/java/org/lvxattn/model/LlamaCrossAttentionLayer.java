// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.group.Group;
import org.lvxattn.group.Operation;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.layer.LayerOperations;
import org.lvxattn.layer.Norm;
import org.lvxattn.visual.KeyValueCache;
import org.lvxattn.visual.VisualCheckpoint;
import org.lvxattn.visual.VisualForward;

/**
 * A cross-attention layer of Llama 3-V (transformers {@code MllamaCrossAttentionDecoderLayer}), a
 * whole layer of the language model:
 *
 * <pre>
 * y   = x + tanh(cross_attn_attn_gate) * attention(RMS(x; input_layernorm))
 * out = y + tanh(cross_attn_mlp_gate) * live * down(silu(gate z) * up z), z = RMS(y; post_attention_layernorm)
 * </pre>
 *
 * where {@code live} is 0 for text rows that see no tile. The mask decides what these rows attend
 * to: {@link EmptyRows}.
 *
 * <p>Parameters: those of {@link LlamaCrossAttention} with the prefix {@code cross_attn.}, {@code
 * cross_attn_attn_gate}, {@code cross_attn_mlp_gate}, {@code input_layernorm.weight}, {@code
 * post_attention_layernorm.weight}, {@code mlp.gate_proj.weight}, {@code mlp.up_proj.weight},
 * {@code mlp.down_proj.weight}; in checkpoints they have the prefix {@code
 * language_model.model.layers.N.}. Immutable.
 */
public final class LlamaCrossAttentionLayer {
  private static final String ATTENTION = "cross_attn.";
  private static final String NORM = "input_layernorm.weight";
  private static final String GATE = "cross_attn_attn_gate";

  private final LlamaCrossAttention attention;
  private final GatedMlp mlp;
  private final double epsilon;

  private LlamaCrossAttentionLayer(LlamaCrossAttention attention, GatedMlp mlp, double epsilon) {
    this.attention = attention;
    this.mlp = mlp;
    this.epsilon = epsilon;
  }

  /** An empty builder; hidden, heads, headDim and intermediate must be set. */
  public static Builder builder() {
    return new Builder();
  }

  /** Names and shapes of the parameters. */
  public SequencedMap<String, long[]> parameterShapes() {
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    attention.putShapes(shapes, ATTENTION);
    shapes.put(NORM, new long[] {attention.hidden()});
    shapes.put(GATE, new long[] {1});
    mlp.putShapes(shapes);
    return shapes;
  }

  /** How keys and values are projected from the visual features. */
  public KeyValueProjection projection(Parameters weights) {
    return attention.projection(weights.under(ATTENTION));
  }

  /**
   * Computes the layer and keeps what backward needs. A collective call.
   *
   * @param weights by the names above
   * @param x text rows of this rank, {@code [batch, rows, hidden]}
   * @param visual projected visual features of this rank, {@code [batch, rows, hidden]}
   * @param mask of {@link LlamaMasks}, or {@link VisualMask#none}
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
      Tensor h = kept.like(x);
      norm(weights, x, h);
      Tensor a = kept.like(x);
      LlamaCrossAttention.Saved attended =
          attention.forward(calls, kept, weights.under(ATTENTION), h, visual, mask, a);
      Tensor y = kept.like(x);
      LayerOperations.gatedAdd(x, a, weights.get(GATE), null, y);
      Tensor out = kept.like(x);
      GatedMlp.Saved mixed = mlp.forward(kept, weights, y, mask.live(), out);
      return new Activations(
          new Saved(x, a, attended, mixed), weights, visual, mask.live(), out, kept);
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
    Parameters w = activations.weights;
    Saved saved = activations.saved;
    TensorScope made = new TensorScope(group.device());
    try (TensorScope scratch = new TensorScope(group.device())) {
      SequenceShapes.sameShape(dOut, "dOut", activations.out);
      Preconditions.present(gradients, "gradients").require(parameterShapes());
      Tensor d = made.like(dOut).copyFrom(dOut);
      mlp.backward(saved.mlp, w, gradients, activations.live, d);
      Tensor da = scratch.like(d);
      LayerOperations.gatedAddBackward(saved.branch, w.get(GATE), null, d, da, gradients.get(GATE));
      Tensor dh = scratch.like(d);
      attention.backward(
          calls,
          saved.attention,
          w.under(ATTENTION),
          activations.visual,
          gradients.under(ATTENTION),
          da,
          dh);
      LayerOperations.normBackward(
          Norm.RMS, epsilon, saved.x, w.get(NORM), dh, d, true, gradients.get(NORM), null);
      return d;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, made);
      calls.failed(e);
      throw e;
    }
  }

  /**
   * Computes the layer over cached keys and values. Keeps nothing for backward. A collective call.
   *
   * @param group the ranks
   * @param weights by the names above
   * @param x new text rows of this rank, {@code [batch, rows, hidden]}
   * @param cache result of {@link VisualCheckpoint#project} with {@link #projection}
   * @param mask of {@link LlamaMasks}, or {@link VisualMask#none}
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
      Tensor h = scratch.like(x);
      norm(weights, x, h);
      Tensor y = scratch.like(x);
      attention.decode(calls, group, weights.under(ATTENTION), h, cache, mask, y);
      LayerOperations.gatedAdd(x, y, weights.get(GATE), null, y);
      mlp.forward(scratch, weights, y, mask.live(), out);
      return out;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, made);
      calls.failed(e);
      throw e;
    }
  }

  private void requireFitting(Parameters weights, Tensor x, VisualMask mask) {
    Preconditions.present(weights, "weights").require(parameterShapes());
    SequenceShapes.rows(x, "x", attention.hidden());
    Preconditions.present(mask, "mask");
  }

  private void norm(Parameters w, Tensor x, Tensor h) {
    LayerOperations.norm(Norm.RMS, epsilon, x, w.get(NORM), null, h);
  }

  private record Saved(
      Tensor x, Tensor branch, LlamaCrossAttention.Saved attention, GatedMlp.Saved mlp) {}

  /**
   * The result of {@link #forward}: it owns the output and what backward needs, and refers to its
   * inputs, which the caller owns.
   */
  public static final class Activations implements AutoCloseable {
    private final Saved saved;
    private final Parameters weights;
    private final VisualCheckpoint visual;
    private final @Nullable Tensor live;
    private final Tensor out;
    private final TensorScope kept;

    private Activations(
        Saved saved,
        Parameters weights,
        VisualCheckpoint visual,
        @Nullable Tensor live,
        Tensor out,
        TensorScope kept) {
      this.saved = saved;
      this.weights = weights;
      this.visual = visual;
      this.live = live;
      this.out = out;
      this.kept = kept;
    }

    /** Shape and dtype of x. */
    public Tensor output() {
      return out;
    }

    /** Queries after their norm, {@code [batch, rows, heads, headDim]}. */
    public Tensor query() {
      return saved.attention.query().normed();
    }

    /** The attention before its output projection. */
    public VisualForward attention() {
      return saved.attention.visual();
    }

    /** Frees what is kept. Closing again does nothing. */
    @Override
    public void close() {
      kept.close();
    }
  }

  /** Sets up a {@link LlamaCrossAttentionLayer}. */
  public static final class Builder {
    private final LlamaCrossAttention.Builder attention = LlamaCrossAttention.builder();
    private int intermediate;
    private double epsilon = 1e-5;

    private Builder() {}

    /** Width of the text rows and of the visual features; must be set. */
    public Builder hidden(int hidden) {
      attention.hidden(hidden);
      return this;
    }

    /** Number of query heads; must be set. */
    public Builder heads(int heads) {
      attention.heads(heads);
      return this;
    }

    /** Number of key and value heads; as many as query heads if not set. */
    public Builder keyValueHeads(int keyValueHeads) {
      attention.keyValueHeads(keyValueHeads);
      return this;
    }

    /** Elements of one head, a multiple of 8 up to 256; must be set. */
    public Builder headDim(int headDim) {
      attention.headDim(headDim);
      return this;
    }

    /** Inner width of the MLP; must be set. */
    public Builder intermediate(int intermediate) {
      this.intermediate = Preconditions.positive(intermediate, "intermediate");
      return this;
    }

    /** Epsilon that the norms add to the mean square; 1e-5 if not set. */
    public Builder epsilon(double epsilon) {
      attention.epsilon(epsilon);
      this.epsilon = epsilon;
      return this;
    }

    /** Which tensors move between the ranks; {@link Strategy#QUERY_RING} if not set. */
    public Builder strategy(Strategy strategy) {
      attention.strategy(strategy);
      return this;
    }

    /**
     * Builds the layer.
     *
     * @throws IllegalStateException if a required setting is missing
     * @throws IllegalArgumentException if {@link org.lvxattn.CrossAttention} does not accept heads
     *     or headDim
     */
    public LlamaCrossAttentionLayer build() {
      LlamaCrossAttention built = attention.build();
      Preconditions.set(intermediate, "intermediate");
      GatedMlp mlp = new GatedMlp(built.hidden(), intermediate, epsilon, "cross_attn_mlp_gate");
      return new LlamaCrossAttentionLayer(built, mlp, epsilon);
    }
  }
}
