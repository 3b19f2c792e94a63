// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import org.lvxattn.CrossAttention;
import org.lvxattn.Group;
import org.lvxattn.KeyValueCache;
import org.lvxattn.KeyValueProjection;
import org.lvxattn.Operation;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.VisualCheckpoint;

/**
 * A layer of mPLUG-Owl3 with hyper attention ({@code HyperQwen2DecoderLayer}): text rows attend
 * causally to each other, and with the same queries to the images before them.
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
 * <p>The images of all batch items are one visual sequence, {@code [1, rows, hidden]}; which part
 * of it a row sees is the {@link Owl3Batch}'s to say. Rotary embedding pairs i with i + headDim/2.
 *
 * <p>Parameters: {@code input_layernorm.weight}, {@code self_attn.{q,k,v}_proj.{weight,bias}},
 * {@code self_attn.v_kv_proj.{weight,bias}}, {@code self_attn.o_proj.weight}, {@code
 * self_attn.gate} (gated), {@code post_attention_layernorm.weight}, {@code
 * mlp.{gate,up,down}_proj.weight}; in checkpoints {@code language_model.model.layers.N.} stands
 * before them. Immutable.
 */
public final class Owl3Layer {
  private final Owl3Attention attention;
  private final GatedMlp mlp;

  private Owl3Layer(Owl3Attention attention, GatedMlp mlp) {
    this.attention = attention;
    this.mlp = mlp;
  }

  /** Starts with nothing set; variant, hidden, heads, headDim and intermediate must be. */
  public static Builder builder() {
    return new Builder();
  }

  /** The attention that is computed, to text and to images. */
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

  /** How keys and values are made of the image embeddings. */
  public KeyValueProjection projection(Parameters weights, Owl3Batch batch) {
    return attention.projection(weights, batch);
  }

  /**
   * Computes the layer and keeps what backward needs. A collective call.
   *
   * @param weights by the names above
   * @param x text rows of this rank, {@code [batch, rows, hidden]}
   * @param visual image embeddings of this rank, {@code [1, rows, hidden]}
   * @param batch where these rows stand
   * @param past keys and values of the rows before these, or null if there are none
   * @throws NullPointerException if an argument other than past is null
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape or device,
   *     or batch does not describe these rows
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called something
   *     else
   */
  public Activations forward(
      Parameters weights,
      Tensor x,
      VisualCheckpoint visual,
      Owl3Batch batch,
      @Nullable TextCache past) {
    Group group = Checks.present(visual, "visual").group();
    Turn turn = new Turn(group, Operation.FORWARD, 2);
    Scope kept = new Scope(group.device());
    try {
      requireFitting(weights, x, batch, past);
      Tensor y = kept.like(x);
      Tensor rows = batch.withoutPadding(kept, x);
      Owl3Attention.Saved attended =
          attention.forward(turn, kept, weights, rows, visual, batch, past, y);
      Tensor out = kept.like(x);
      GatedMlp.Saved mixed = mlp.forward(kept, weights, y, null, out);
      return new Activations(attention, attended, mixed, weights, visual, batch, out, kept);
    } catch (RuntimeException e) {
      kept.closeAfter(e);
      throw turn.failed(e);
    }
  }

  /**
   * Computes gradients: adds those of the parameters to gradients, and that of the embeddings to
   * the checkpoint. A collective call.
   *
   * @param activations of forward; what they were computed from must be open and unchanged
   * @param dOut gradient of the output: its shape and dtype
   * @param gradients by the parameters' names; this rank's share
   * @return gradients of x and of the past, for the caller to close
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called something
   *     else
   */
  public InputGradients backward(Activations activations, Tensor dOut, Gradients gradients) {
    Group group = Checks.present(activations, "activations").visual.group();
    Turn turn = new Turn(group, Operation.BACKWARD, 2);
    Owl3Attention.Saved saved = activations.attended;
    Scope made = new Scope(group.device());
    try {
      Checks.sameShape(dOut, "dOut", activations.out);
      Checks.present(gradients, "gradients").require(parameterShapes());
      Tensor d = activations.batch.clearPadding(made.like(dOut).copyFrom(dOut));
      Tensor dk = made.like(saved.k());
      Tensor dv = made.like(saved.v());
      mlp.backward(activations.mixed, activations.weights, gradients, null, d);
      attention.backward(
          turn,
          saved,
          activations.weights,
          activations.visual,
          activations.batch,
          gradients,
          d,
          dk,
          dv);
      return new InputGradients(d, attention.past(saved, dk), attention.past(saved, dv), made);
    } catch (RuntimeException e) {
      made.closeAfter(e);
      throw turn.failed(e);
    }
  }

  /**
   * Computes the layer over cached keys and values of images and text, to which those of the new
   * rows are added, and keeps nothing else. A collective call.
   *
   * @param group the ranks
   * @param weights by the names above
   * @param x new text rows of this rank, {@code [batch, rows, hidden]}
   * @param visual what {@link VisualCheckpoint#project} made with {@link #projection}
   * @param past keys and values of the rows before these; the new ones are appended
   * @param batch where these rows stand
   * @return the output, shape and dtype of x, for the caller to close
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape or device,
   *     batch does not describe these rows, or past has no room for them
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called something
   *     else
   */
  public Tensor decode(
      Group group,
      Parameters weights,
      Tensor x,
      KeyValueCache visual,
      TextCache past,
      Owl3Batch batch) {
    Turn turn = new Turn(Checks.present(group, "group"), Operation.FORWARD, 2);
    Scope made = new Scope(group.device());
    try (Scope scratch = new Scope(group.device())) {
      requireFitting(weights, x, batch, Checks.present(past, "past"));
      Checks.present(visual, "visual");
      Tensor out = made.like(x);
      Tensor y = scratch.like(x);
      Tensor rows = batch.withoutPadding(scratch, x);
      attention.decode(turn, group, weights, rows, visual, past, batch, y);
      mlp.forward(scratch, weights, y, null, out);
      past.advance(x.dimension(1));
      return out;
    } catch (RuntimeException e) {
      made.closeAfter(e);
      throw turn.failed(e);
    }
  }

  private void requireFitting(
      Parameters weights, Tensor x, Owl3Batch batch, @Nullable TextCache past) {
    Checks.present(weights, "weights").require(parameterShapes());
    Checks.rows(x, "x", attention.hidden());
    Checks.require(
        Checks.present(batch, "batch").variant() == attention.variant(),
        "batch is for " + batch.variant() + " attention; " + attention.variant() + " was expected");
    Checks.require(
        x.dimension(0) == batch.positions().dimension(0)
            && x.dimension(1) == batch.positions().dimension(1),
        "x is " + x + "; batch and rows of " + batch.positions() + " were expected");
    long cached = past == null ? 0 : past.rows();
    Checks.require(
        cached == batch.cachedRows(),
        "past has " + cached + " rows; the batch's " + batch.cachedRows() + " were expected");
  }

  /**
   * The result of {@link #forward}: it owns the output and what backward needs, and remembers what
   * it was computed from, which stays the caller's.
   */
  public static final class Activations implements AutoCloseable {
    private final Owl3Attention attention;
    private final Owl3Attention.Saved attended;
    private final GatedMlp.Saved mixed;
    private final Parameters weights;
    private final VisualCheckpoint visual;
    private final Owl3Batch batch;
    private final Tensor out;
    private final Scope kept;

    private Activations(
        Owl3Attention attention,
        Owl3Attention.Saved attended,
        GatedMlp.Saved mixed,
        Parameters weights,
        VisualCheckpoint visual,
        Owl3Batch batch,
        Tensor out,
        Scope kept) {
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
     * Attention to the images, fused: to images and text, {@code [batch, rows, heads, headDim]}.
     */
    public Tensor attention() {
      return attended.images().o();
    }

    /** Log-sum-exp of {@link #attention}, {@code [batch, heads, rows]}. */
    public Tensor logSumExp() {
      return attended.images().lse();
    }

    /** Gated: attention to the text, {@code [batch, rows, heads, headDim]}; fused: null. */
    public @Nullable Tensor textAttention() {
      Owl3Text.Attended text = attended.text();
      return text == null ? null : text.o();
    }

    /**
     * Keys and values of these rows, for a cache to append.
     *
     * @throws IllegalArgumentException if the cache has no room
     */
    public void appendTo(TextCache cache) {
      cache.append(
          attention.fresh(attended, attended.k()), attention.fresh(attended, attended.v()));
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

  /** The result of {@link #backward}: it owns the gradients. */
  public static final class InputGradients implements AutoCloseable {
    private final Tensor x;
    private final Tensor pastKeys;
    private final Tensor pastValues;
    private final Scope made;

    private InputGradients(Tensor x, Tensor pastKeys, Tensor pastValues, Scope made) {
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

    /**
     * Closes the gradients.
     *
     * @throws IllegalStateException if that was done already
     */
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

    /** Which operator; must be set. */
    public Builder variant(Owl3Variant variant) {
      this.variant = Checks.present(variant, "variant");
      return this;
    }

    /** Width of the text rows and of the image embeddings; must be set. */
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

    /** Inner width of the MLP; must be set. */
    public Builder intermediate(int intermediate) {
      this.intermediate = Checks.positive(intermediate, "intermediate");
      return this;
    }

    /** What the norms add to the mean square; 1e-6 if not set. */
    public Builder epsilon(double epsilon) {
      this.epsilon = Checks.epsilon(epsilon);
      return this;
    }

    /** Base of the rotary embedding; 1e6 if not set. */
    public Builder theta(double theta) {
      Checks.require(
          Double.isFinite(theta) && theta > 0,
          "theta is " + theta + "; a finite number above 0 was expected");
      this.theta = theta;
      return this;
    }

    /** What moves between ranks; {@link Strategy#QUERY_RING} if not set. */
    public Builder strategy(Strategy strategy) {
      this.strategy = Checks.present(strategy, "strategy");
      return this;
    }

    /**
     * The layer that was described.
     *
     * @throws IllegalStateException if something that must be set was not
     * @throws IllegalArgumentException if heads and headDim make no attention
     */
    public Owl3Layer build() {
      if (variant == null) {
        throw new IllegalStateException("variant was not set");
      }
      Checks.set(hidden, "hidden");
      Checks.set(intermediate, "intermediate");
      CrossAttention of = Attentions.of(heads, keyValueHeads, headDim, strategy);
      return new Owl3Layer(
          new Owl3Attention(variant, hidden, epsilon, theta, of),
          new GatedMlp(hidden, intermediate, epsilon, null));
    }
  }
}
