// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Group;
import org.lvxattn.KeyValueCache;
import org.lvxattn.KeyValueProjection;
import org.lvxattn.LayerOperations;
import org.lvxattn.Norm;
import org.lvxattn.Operation;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.VisualCheckpoint;
import org.lvxattn.VisualForward;

/**
 * A cross-attention layer of Llama 3-V (transformers {@code MllamaCrossAttentionDecoderLayer}), a
 * whole layer of the language model:
 *
 * <pre>
 * y   = x + tanh(cross_attn_attn_gate) * attention(RMS(x; input_layernorm))
 * out = y + tanh(cross_attn_mlp_gate) * live * down(silu(gate z) * up z), z = RMS(y; post_attention_layernorm)
 * </pre>
 *
 * where {@code live} is 0 for text rows that may see no tile. What those attend to is the mask's
 * choice: {@link EmptyRows}.
 *
 * <p>Parameters: those of {@link LlamaCrossAttention} with {@code cross_attn.} before them, {@code
 * cross_attn_attn_gate}, {@code cross_attn_mlp_gate}, {@code input_layernorm.weight}, {@code
 * post_attention_layernorm.weight}, {@code mlp.gate_proj.weight}, {@code mlp.up_proj.weight},
 * {@code mlp.down_proj.weight}; in checkpoints {@code language_model.model.layers.N.} stands before
 * them. Immutable.
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

  /** Starts with nothing set; hidden, heads, headDim and intermediate must be. */
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

  /** How keys and values are made of the visual features. */
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
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called something
   *     else
   */
  public Activations forward(
      Parameters weights, Tensor x, VisualCheckpoint visual, VisualMask mask) {
    Group group = Checks.present(visual, "visual").group();
    Turn turn = new Turn(group, Operation.FORWARD, 1);
    Scope kept = new Scope(group.device());
    try {
      requireFitting(weights, x, mask);
      Tensor h = kept.like(x);
      norm(weights, x, h);
      Tensor a = kept.like(x);
      LlamaCrossAttention.Saved attended =
          attention.forward(turn, kept, weights.under(ATTENTION), h, visual, mask, a);
      Tensor y = kept.like(x);
      LayerOperations.gatedAdd(x, a, weights.get(GATE), null, y);
      Tensor out = kept.like(x);
      GatedMlp.Saved mixed = mlp.forward(kept, weights, y, mask.live(), out);
      return new Activations(
          new Saved(x, a, attended, mixed), weights, visual, mask.live(), out, kept);
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
   * @return gradient of x, for the caller to close
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called something
   *     else
   */
  public Tensor backward(Activations activations, Tensor dOut, Gradients gradients) {
    Group group = Checks.present(activations, "activations").visual.group();
    Turn turn = new Turn(group, Operation.BACKWARD, 1);
    Parameters w = activations.weights;
    Saved saved = activations.saved;
    Scope made = new Scope(group.device());
    try (Scope scratch = new Scope(group.device())) {
      Checks.sameShape(dOut, "dOut", activations.out);
      Checks.present(gradients, "gradients").require(parameterShapes());
      Tensor d = made.like(dOut).copyFrom(dOut);
      mlp.backward(saved.mlp, w, gradients, activations.live, d);
      Tensor da = scratch.like(d);
      LayerOperations.gatedAddBackward(saved.branch, w.get(GATE), null, d, da, gradients.get(GATE));
      Tensor dh = scratch.like(d);
      attention.backward(
          turn,
          saved.attention,
          w.under(ATTENTION),
          activations.visual,
          gradients.under(ATTENTION),
          da,
          dh);
      LayerOperations.normBackward(
          Norm.RMS, epsilon, saved.x, w.get(NORM), dh, d, true, gradients.get(NORM), null);
      return d;
    } catch (RuntimeException e) {
      made.closeAfter(e);
      throw turn.failed(e);
    }
  }

  /**
   * Computes the layer over cached keys and values and keeps nothing. A collective call.
   *
   * @param group the ranks
   * @param weights by the names above
   * @param x new text rows of this rank, {@code [batch, rows, hidden]}
   * @param cache what {@link VisualCheckpoint#project} made with {@link #projection}
   * @param mask of {@link LlamaMasks}, or {@link VisualMask#none}
   * @return the output, shape and dtype of x, for the caller to close
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called something
   *     else
   */
  public Tensor decode(
      Group group, Parameters weights, Tensor x, KeyValueCache cache, VisualMask mask) {
    Turn turn = new Turn(Checks.present(group, "group"), Operation.FORWARD, 1);
    Scope made = new Scope(group.device());
    try (Scope scratch = new Scope(group.device())) {
      requireFitting(weights, x, mask);
      Checks.present(cache, "cache");
      Tensor out = made.like(x);
      Tensor h = scratch.like(x);
      norm(weights, x, h);
      Tensor y = scratch.like(x);
      attention.decode(turn, group, weights.under(ATTENTION), h, cache, mask, y);
      LayerOperations.gatedAdd(x, y, weights.get(GATE), null, y);
      mlp.forward(scratch, weights, y, mask.live(), out);
      return out;
    } catch (RuntimeException e) {
      made.closeAfter(e);
      throw turn.failed(e);
    }
  }

  private void requireFitting(Parameters weights, Tensor x, VisualMask mask) {
    Checks.present(weights, "weights").require(parameterShapes());
    Checks.rows(x, "x", attention.hidden());
    Checks.present(mask, "mask");
  }

  private void norm(Parameters w, Tensor x, Tensor h) {
    LayerOperations.norm(Norm.RMS, epsilon, x, w.get(NORM), null, h);
  }

  private record Saved(
      Tensor x, Tensor branch, LlamaCrossAttention.Saved attention, GatedMlp.Saved mlp) {}

  /**
   * The result of {@link #forward}: it owns the output and what backward needs, and remembers what
   * it was computed from, which stays the caller's.
   */
  public static final class Activations implements AutoCloseable {
    private final Saved saved;
    private final Parameters weights;
    private final VisualCheckpoint visual;
    private final @Nullable Tensor live;
    private final Tensor out;
    private final Scope kept;

    private Activations(
        Saved saved,
        Parameters weights,
        VisualCheckpoint visual,
        @Nullable Tensor live,
        Tensor out,
        Scope kept) {
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

    /** The attention itself, before its output projection. */
    public VisualForward attention() {
      return saved.attention.visual();
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
      this.intermediate = Checks.positive(intermediate, "intermediate");
      return this;
    }

    /** What the norms add to the mean square; 1e-5 if not set. */
    public Builder epsilon(double epsilon) {
      attention.epsilon(epsilon);
      this.epsilon = epsilon;
      return this;
    }

    /** What moves between ranks; {@link Strategy#QUERY_RING} if not set. */
    public Builder strategy(Strategy strategy) {
      attention.strategy(strategy);
      return this;
    }

    /**
     * The layer that was described.
     *
     * @throws IllegalStateException if something that must be set was not
     * @throws IllegalArgumentException if heads and headDim make no attention
     */
    public LlamaCrossAttentionLayer build() {
      LlamaCrossAttention built = attention.build();
      Checks.set(intermediate, "intermediate");
      GatedMlp mlp = new GatedMlp(built.hidden(), intermediate, epsilon, "cross_attn_mlp_gate");
      return new LlamaCrossAttentionLayer(built, mlp, epsilon);
    }
  }
}
