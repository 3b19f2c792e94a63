// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import org.lvxattn.CrossAttention;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.group.Group;
import org.lvxattn.group.Operation;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.visual.KeyValueCache;
import org.lvxattn.visual.VisualCheckpoint;

/**
 * A layer of mPLUG-Owl3 with hyper attention ({@code HyperQwen2DecoderLayer}): text rows attend
 * causally to each other and, with the same queries, to the images before them.
 *
 * <pre>
 * h = RMS(x; input_layernorm)                 e = RMS(images; input_layernorm)
 * q, k, v = rotary(h Wq^T + b), rotary(h Wk^T + b), h Wv^T + b
 * k', v' = e v_kv_proj^T + b, for each key head K then V; k' rotated where its image stands
 * gated: c = (1 - sigmoid(gate)) T + sigmoid(gate) A,  T = attention(q, k, v), A = attention(q, k', v');
 *        c = T in rows that see no image
 * fused: c = attention(q, [k'; k], [v'; v])
 * y = x + c Wo^T;  out = y + down(silu(gate z) * up z), z = RMS(y; post_attention_layernorm)
 * </pre>
 *
 * <p>The images of all batch items form one visual sequence, {@code [1, rows, hidden]}; {@link
 * Owl3Batch} says which part of it a row sees. Rotary embedding pairs i with i + headDim/2.
 *
 * <p>Parameters: {@code input_layernorm.weight}, {@code self_attn.{q,k,v}_proj.{weight,bias}},
 * {@code self_attn.v_kv_proj.{weight,bias}}, {@code self_attn.o_proj.weight}, {@code
 * self_attn.gate} (gated), {@code post_attention_layernorm.weight}, {@code
 * mlp.{gate,up,down}_proj.weight}; in checkpoints they have the prefix {@code
 * language_model.model.layers.N.}. Immutable.
 */
public final class Owl3Layer {
  private final Owl3Attention attention;
  private final GatedMlp mlp;

  private Owl3Layer(Owl3Attention attention, GatedMlp mlp) {
    this.attention = attention;
    this.mlp = mlp;
  }

  /** An empty builder; variant, hidden, heads, headDim and intermediate must be set. */
  public static Builder builder() {
    return new Builder();
  }

  /** The attention that the layer computes, to text and to images. */
  public CrossAttention attention() {
    return attention.attention();
  }

  /** Names and shapes of the parameters. */
  public SequencedMap<String, long[]> parameterShapes() {
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    attention.putShapes(shapes);
    mlp.putShapes(shapes);
    return shapes;
  }

  /** How keys and values are projected from the image embeddings. */
  public KeyValueProjection projection(Parameters weights, Owl3Batch batch) {
    return attention.projection(weights, batch);
  }

  /**
   * Computes the layer and keeps what backward needs. A collective call.
   *
   * @param weights by the names above
   * @param x text rows of this rank, {@code [batch, rows, hidden]}
   * @param visual image embeddings of this rank, {@code [1, rows, hidden]}
   * @param batch positions and masks of these rows
   * @param past keys and values of the rows before these, or null if there are none
   * @throws NullPointerException if an argument other than past is null
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape or device,
   *     or batch does not describe these rows
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public Activations forward(
      Parameters weights,
      Tensor x,
      VisualCheckpoint visual,
      Owl3Batch batch,
      @Nullable TextCache past) {
    Group group = Preconditions.present(visual, "visual").group();
    CollectiveSequence calls = new CollectiveSequence(group, Operation.FORWARD, 2);
    TensorScope kept = new TensorScope(group.device());
    try {
      requireFitting(weights, x, batch, past);
      Tensor y = kept.like(x);
      Tensor rows = batch.withoutPadding(kept, x);
      Owl3Attention.Saved attended =
          attention.forward(calls, kept, weights, rows, visual, batch, past, y);
      Tensor out = kept.like(x);
      GatedMlp.Saved mixed = mlp.forward(kept, weights, y, null, out);
      return new Activations(attention, attended, mixed, weights, visual, batch, out, kept);
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, kept);
      calls.failed(e);
      throw e;
    }
  }

  /**
   * Computes gradients. Accumulates the parameters' gradients into {@code gradients} and the
   * embeddings' gradient into the checkpoint. A collective call.
   *
   * @param activations of forward; their inputs must be open and unchanged
   * @param dOut gradient of the output: its shape and dtype
   * @param gradients by the parameters' names; over this rank's rows
   * @return gradients of x and of the past; the caller closes them
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public InputGradients backward(Activations activations, Tensor dOut, Gradients gradients) {
    Group group = Preconditions.present(activations, "activations").visual.group();
    CollectiveSequence calls = new CollectiveSequence(group, Operation.BACKWARD, 2);
    Owl3Attention.Saved saved = activations.attended;
    TensorScope made = new TensorScope(group.device());
    try {
      SequenceShapes.sameShape(dOut, "dOut", activations.out);
      Preconditions.present(gradients, "gradients").require(parameterShapes());
      Tensor d = activations.batch.clearPadding(made.like(dOut).copyFrom(dOut));
      Tensor dk = made.like(saved.k());
      Tensor dv = made.like(saved.v());
      mlp.backward(activations.mixed, activations.weights, gradients, null, d);
      attention.backward(
          calls,
          saved,
          activations.weights,
          activations.visual,
          activations.batch,
          gradients,
          d,
          dk,
          dv);
      return new InputGradients(d, attention.past(saved, dk), attention.past(saved, dv), made);
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, made);
      calls.failed(e);
      throw e;
    }
  }

  /**
   * Computes the layer over cached keys and values of images and text, and appends those of the new
   * rows to the text cache. Keeps nothing for backward. A collective call.
   *
   * @param group the ranks
   * @param weights by the names above
   * @param x new text rows of this rank, {@code [batch, rows, hidden]}
   * @param visual result of {@link VisualCheckpoint#project} with {@link #projection}
   * @param past keys and values of the rows before these; the new ones are appended
   * @param batch positions and masks of these rows
   * @return the output, shape and dtype of x; the caller closes it
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape or device,
   *     batch does not describe these rows, or past has no room for them
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public Tensor decode(
      Group group,
      Parameters weights,
      Tensor x,
      KeyValueCache visual,
      TextCache past,
      Owl3Batch batch) {
    CollectiveSequence calls =
        new CollectiveSequence(Preconditions.present(group, "group"), Operation.FORWARD, 2);
    TensorScope made = new TensorScope(group.device());
    try (TensorScope scratch = new TensorScope(group.device())) {
      requireFitting(weights, x, batch, Preconditions.present(past, "past"));
      Preconditions.present(visual, "visual");
      Tensor out = made.like(x);
      Tensor y = scratch.like(x);
      Tensor rows = batch.withoutPadding(scratch, x);
      attention.decode(calls, group, weights, rows, visual, past, batch, y);
      mlp.forward(scratch, weights, y, null, out);
      past.advance(x.dimension(1));
      return out;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, made);
      calls.failed(e);
      throw e;
    }
  }

  private void requireFitting(
      Parameters weights, Tensor x, Owl3Batch batch, @Nullable TextCache past) {
    Preconditions.present(weights, "weights").require(parameterShapes());
    SequenceShapes.rows(x, "x", attention.hidden());
    Preconditions.require(
        Preconditions.present(batch, "batch").variant() == attention.variant(),
        "batch is for " + batch.variant() + " attention; " + attention.variant() + " was expected");
    Preconditions.require(
        x.dimension(0) == batch.positions().dimension(0)
            && x.dimension(1) == batch.positions().dimension(1),
        "x is " + x + "; batch and rows of " + batch.positions() + " were expected");
    long cached = past == null ? 0 : past.rows();
    Preconditions.require(
        cached == batch.cachedRows(),
        "past has " + cached + " rows; the batch's " + batch.cachedRows() + " were expected");
  }

  /**
   * The result of {@link #forward}: it owns the output and what backward needs, and refers to its
   * inputs, which the caller owns.
   */
  public static final class Activations implements AutoCloseable {
    private final Owl3Attention attention;
    private final Owl3Attention.Saved attended;
    private final GatedMlp.Saved mixed;
    private final Parameters weights;
    private final VisualCheckpoint visual;
    private final Owl3Batch batch;
    private final Tensor out;
    private final TensorScope kept;

    private Activations(
        Owl3Attention attention,
        Owl3Attention.Saved attended,
        GatedMlp.Saved mixed,
        Parameters weights,
        VisualCheckpoint visual,
        Owl3Batch batch,
        Tensor out,
        TensorScope kept) {
      this.attention = attention;
      this.attended = attended;
      this.mixed = mixed;
      this.weights = weights;
      this.visual = visual;
      this.batch = batch;
      this.out = out;
      this.kept = kept;
    }

    /** Shape and dtype of x. */
    public Tensor output() {
      return out;
    }

    /** Rotated queries, {@code [batch, rows, heads, headDim]}. */
    public Tensor query() {
      return attended.q();
    }

    /**
     * Attention to the images (gated) or to images and text (fused), {@code [batch, rows, heads,
     * headDim]}.
     */
    public Tensor attention() {
      return attended.images().o();
    }

    /** Log-sum-exp of {@link #attention}, {@code [batch, heads, rows]}. */
    public Tensor logSumExp() {
      return attended.images().lse();
    }

    /** Attention to the text (gated), {@code [batch, rows, heads, headDim]}, or null (fused). */
    public @Nullable Tensor textAttention() {
      Owl3Text.Attended text = attended.text();
      return text == null ? null : text.o();
    }

    /**
     * Appends keys and values of these rows to a cache.
     *
     * @throws IllegalArgumentException if the cache has no room
     */
    public void appendTo(TextCache cache) {
      cache.append(
          attention.fresh(attended, attended.k()), attention.fresh(attended, attended.v()));
    }

    /** Frees what is kept. Closing again does nothing. */
    @Override
    public void close() {
      kept.close();
    }
  }

  /** The result of {@link #backward}: it owns the gradients. */
  public static final class InputGradients implements AutoCloseable {
    private final Tensor x;
    private final Tensor pastKeys;
    private final Tensor pastValues;
    private final TensorScope made;

    private InputGradients(Tensor x, Tensor pastKeys, Tensor pastValues, TensorScope made) {
      this.x = x;
      this.pastKeys = pastKeys;
      this.pastValues = pastValues;
      this.made = made;
    }

    /** Gradient of x: its shape and dtype. */
    public Tensor x() {
      return x;
    }

    /** Gradient of the past's keys, {@code [batch, rows, keyValueHeads, headDim]}. */
    public Tensor pastKeys() {
      return pastKeys;
    }

    /** Gradient of the past's values, {@code [batch, rows, keyValueHeads, headDim]}. */
    public Tensor pastValues() {
      return pastValues;
    }

    /** Closes the gradients. Closing again does nothing. */
    @Override
    public void close() {
      made.close();
    }
  }

  /** Sets up an {@link Owl3Layer}. */
  public static final class Builder {
    private @Nullable Owl3Variant variant;
    private int hidden;
    private int heads;
    private int keyValueHeads;
    private int headDim;
    private int intermediate;
    private double epsilon = 1e-6;
    private double theta = 1e6;
    private Strategy strategy = Strategy.QUERY_RING;

    private Builder() {}

    /** The variant of hyper attention; must be set. */
    public Builder variant(Owl3Variant variant) {
      this.variant = Preconditions.present(variant, "variant");
      return this;
    }

    /** Width of the text rows and of the image embeddings; must be set. */
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

    /** Inner width of the MLP; must be set. */
    public Builder intermediate(int intermediate) {
      this.intermediate = Preconditions.positive(intermediate, "intermediate");
      return this;
    }

    /** Epsilon that the norms add to the mean square; 1e-6 if not set. */
    public Builder epsilon(double epsilon) {
      this.epsilon = Preconditions.finitePositive(epsilon, "epsilon");
      return this;
    }

    /** Base of the rotary embedding; 1e6 if not set. */
    public Builder theta(double theta) {
      Preconditions.require(
          Double.isFinite(theta) && theta > 0,
          "theta is " + theta + "; a finite number above 0 was expected");
      this.theta = theta;
      return this;
    }

    /** Which tensors move between the ranks; {@link Strategy#QUERY_RING} if not set. */
    public Builder strategy(Strategy strategy) {
      this.strategy = Preconditions.present(strategy, "strategy");
      return this;
    }

    /**
     * Builds the layer.
     *
     * @throws IllegalStateException if a required setting is missing
     * @throws IllegalArgumentException if {@link CrossAttention} does not accept heads or headDim
     */
    public Owl3Layer build() {
      if (variant == null) {
        throw new IllegalStateException("variant was not set");
      }
      Preconditions.set(hidden, "hidden");
      Preconditions.set(intermediate, "intermediate");
      CrossAttention of = Attentions.of(heads, keyValueHeads, headDim, strategy);
      return new Owl3Layer(
          new Owl3Attention(variant, hidden, epsilon, theta, of),
          new GatedMlp(hidden, intermediate, epsilon, null));
    }
  }
}
