// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionForward;
import org.lvxattn.CrossAttention;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.KeyValueCache;
import org.lvxattn.KeyValueLayout;
import org.lvxattn.KeyValueProjection;
import org.lvxattn.LayerOperations;
import org.lvxattn.Norm;
import org.lvxattn.PartialAttention;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.VisualCheckpoint;
import org.lvxattn.VisualForward;

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
  private final GatedMlp mlp;

  private Owl3Layer(Builder settings, Owl3Variant variant, CrossAttention attention) {
    this.variant = variant;
    this.hidden = settings.hidden;
    this.epsilon = settings.epsilon;
    this.theta = settings.theta;
    this.attention = attention;
    this.text = new Owl3Text(hidden, theta, attention);
    this.mlp = new GatedMlp(hidden, settings.intermediate, epsilon, null);
  }

  /** Starts with nothing set; variant, hidden, heads, headDim and intermediate must be. */
  public static Builder builder() {
    return new Builder();
  }

  /** The attention that is computed, to text and to images. */
  public CrossAttention attention() {
    return attention;
  }

  /** Names and shapes of the parameters. */
  public SequencedMap<String, long[]> parameterShapes() {
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put(NORM, new long[] {hidden});
    text.putShapes(shapes);
    shapes.put(VISUAL_WEIGHT, new long[] {2L * text.keyWidth(), hidden});
    shapes.put(VISUAL_BIAS, new long[] {2L * text.keyWidth()});
    shapes.put(OUT, new long[] {hidden, text.width()});
    if (variant == Owl3Variant.GATED) {
      shapes.put(GATE, new long[] {text.width()});
    }
    mlp.putShapes(shapes);
    return shapes;
  }

  /** How keys and values are made of the image embeddings. */
  public KeyValueProjection projection(Parameters weights, Owl3Batch batch) {
    return KeyValueProjection.builder()
        .layout(KeyValueLayout.INTERLEAVED)
        .keyValueHeads(attention.keyValueHeads())
        .headDim(attention.headDim())
        .inputNorm(Norm.RMS, epsilon, weights.get(NORM), null)
        .weight(weights.get(VISUAL_WEIGHT))
        .bias(weights.get(VISUAL_BIAS))
        .rotary(theta, batch.keyPositions())
        .build();
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
    requireFitting(weights, x, batch, past);
    Group group = visual.group();
    Device device = group.device();
    Scope kept = new Scope(device);
    try {
      Tensor k = text.behind(kept, past == null ? null : past.keys(), x);
      Tensor v = text.behind(kept, past == null ? null : past.values(), x);
      Tensor q;
      try (Scope scratch = new Scope(device)) {
        Tensor h = scratch.like(x);
        norm(weights, x, h);
        q = text.query(kept, weights, h, batch.positions());
        text.keyValues(weights, h, batch.positions(), fresh(k, x), fresh(v, x));
      }
      VisualForward seen =
          visual.forward(attention, projection(weights, batch), folded(q), batch.images().mask());
      kept.atEnd(seen::close);
      Owl3Text.Attended images = unfolded(seen.output(), seen.logSumExp(), q);
      Owl3Text.Attended own = null;
      Tensor y = kept.like(x);
      try (Scope scratch = new Scope(device)) {
        Scope owner = variant == Owl3Variant.GATED ? kept : scratch;
        Owl3Text.Attended attended = text.attend(owner, group, q, k, v, batch.text());
        Tensor context = context(scratch, weights, attended, images, batch);
        residual(weights, x, context, y);
        own = variant == Owl3Variant.GATED ? attended : null;
      }
      Tensor out = kept.like(x);
      GatedMlp.Saved mixed = mlp.forward(kept, weights, y, null, out);
      Saved saved = new Saved(x, q, k, v, seen, images, own, mixed);
      return new Activations(saved, weights, visual, batch, out, kept);
    } catch (RuntimeException e) {
      kept.closeAfter(e);
      throw e;
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
    Checks.sameShape(dOut, "dOut", activations.out);
    Saved saved = activations.saved;
    Scope made = new Scope(dOut.device());
    try {
      Tensor d = made.like(dOut).copyFrom(dOut);
      Tensor dk = made.like(saved.k);
      Tensor dv = made.like(saved.v);
      mlp.backward(saved.mlp, activations.weights, gradients, null, d);
      attentionBackward(activations, gradients, d, dk, dv);
      long past = saved.k.dimension(1) - saved.x.dimension(1);
      return new InputGradients(
          d, text.keys(dk.slice(1, 0, past)), text.keys(dv.slice(1, 0, past)), made);
    } catch (RuntimeException e) {
      made.closeAfter(e);
      throw e;
    }
  }

  /** Turns d, the gradient of y, into that of x; overwrites dk and dv. */
  private void attentionBackward(
      Activations activations, Gradients g, Tensor d, Tensor dk, Tensor dv) {
    Parameters w = activations.weights;
    Saved saved = activations.saved;
    Owl3Batch batch = activations.batch;
    Device device = d.device();
    try (Scope scratch = new Scope(device)) {
      Tensor dContext = rows(scratch, d);
      Tensor context = rows(scratch, d);
      Owl3Text.Attended own = saved.text;
      Tensor dText = dContext;
      Tensor dImages = dContext;
      if (own == null) {
        LayerOperations.linearBackward(
            Heads.join(saved.images.o()), w.get(OUT), d, dContext, false, g.get(OUT), null);
      } else {
        blend(w, own, saved.images, batch, context);
        LayerOperations.linearBackward(context, w.get(OUT), d, dContext, false, g.get(OUT), null);
        dText = rows(scratch, d);
        dImages = context; // which nobody reads any more
        LayerOperations.blendBackward(
            Heads.join(own.o()),
            Heads.join(saved.images.o()),
            w.get(GATE),
            batch.images().live(),
            dContext,
            dText,
            dImages,
            g.get(GATE));
      }
      Tensor dq = scratch.like(saved.q);
      text.attendBackward(
          activations.visual.group(),
          saved.q,
          saved.k,
          saved.v,
          batch.text(),
          own == null ? saved.images : own,
          split(dText),
          dq,
          dk,
          dv);
      Tensor dqImages = scratch.like(saved.q);
      KeyValueProjection.Gradients parts =
          KeyValueProjection.Gradients.builder()
              .inputWeight(g.get(NORM))
              .weight(g.get(VISUAL_WEIGHT))
              .bias(g.get(VISUAL_BIAS))
              .build();
      activations.visual.backward(saved.visual, folded(split(dImages)), folded(dqImages), parts);
      LayerOperations.add(Heads.join(dqImages), Heads.join(dq));

      Tensor h = scratch.like(d);
      norm(w, saved.x, h);
      Tensor dh = scratch.like(d);
      text.backward(w, g, h, batch.positions(), dq, fresh(dk, saved.x), fresh(dv, saved.x), dh);
      LayerOperations.normBackward(
          Norm.RMS, epsilon, saved.x, w.get(NORM), dh, d, true, g.get(NORM), null);
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
    requireFitting(weights, x, batch, past);
    Device device = group.device();
    Tensor out = Tensor.allocate(device, x.dtype(), x.shape());
    try (Scope scratch = new Scope(device)) {
      Tensor h = scratch.like(x);
      norm(weights, x, h);
      Tensor q = text.query(scratch, weights, h, batch.positions());
      long rows = x.dimension(1);
      text.keyValues(weights, h, batch.positions(), past.nextKeys(rows), past.nextValues(rows));
      past.advance(rows);
      Owl3Text.Attended own =
          text.attend(
              scratch, group, q, Heads.join(past.keys()), Heads.join(past.values()), batch.text());
      Tensor y = scratch.like(x);
      try (AttentionForward seen =
          attention.forward(
              group, folded(q), visual.key(), visual.value(), batch.images().mask())) {
        Owl3Text.Attended images = unfolded(seen.output(), seen.logSumExp(), q);
        residual(weights, x, context(scratch, weights, own, images, batch), y);
      }
      mlp.forward(scratch, weights, y, null, out);
      return out;
    } catch (RuntimeException e) {
      out.close();
      throw e;
    }
  }

  private void requireFitting(
      Parameters weights, Tensor x, Owl3Batch batch, @Nullable TextCache past) {
    weights.require(parameterShapes());
    Checks.rows(x, "x", hidden);
    Checks.require(
        batch.variant() == variant,
        "batch is for " + batch.variant() + " attention; " + variant + " was expected");
    Checks.require(
        x.dimension(0) == batch.positions().dimension(0)
            && x.dimension(1) == batch.positions().dimension(1),
        "x is " + x + "; batch and rows of " + batch.positions() + " were expected");
    long cached = past == null ? 0 : past.rows();
    Checks.require(
        cached == batch.cachedRows(),
        "past has " + cached + " rows; the batch's " + batch.cachedRows() + " were expected");
  }

  /** What the output projection takes, [batch, rows, heads * headDim]; fused: merges text. */
  private Tensor context(
      Scope scratch,
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

  private void norm(Parameters w, Tensor x, Tensor h) {
    LayerOperations.norm(Norm.RMS, epsilon, x, w.get(NORM), null, h);
  }

  /** All rows of all items as those of one item: the images of all are one sequence. */
  private static Tensor folded(Tensor heads) {
    long rows = heads.dimension(0) * heads.dimension(1);
    return heads.reshape(1, rows, heads.dimension(2), heads.dimension(3));
  }

  /** Views of folded results by item. */
  private static Owl3Text.Attended unfolded(Tensor o, Tensor lse, Tensor q) {
    Tensor byItem = lse.reshape(lse.dimension(1), q.dimension(0), q.dimension(1));
    return new Owl3Text.Attended(o.reshape(q.shape()), byItem.permute(1, 0, 2));
  }

  /** The last rows of keys or values, those of x. */
  private static Tensor fresh(Tensor all, Tensor x) {
    return all.slice(1, all.dimension(1) - x.dimension(1), all.dimension(1));
  }

  private Tensor rows(Scope scope, Tensor like) {
    return scope.allocate(like.dtype(), like.dimension(0), like.dimension(1), text.width());
  }

  private Tensor split(Tensor rows) {
    return Heads.split(rows, attention.heads(), attention.headDim());
  }

  /**
   * What backward needs. images are views of visual, which in the fused variant holds the merged
   * softmax; text is null then.
   */
  private record Saved(
      Tensor x,
      Tensor q,
      Tensor k,
      Tensor v,
      VisualForward visual,
      Owl3Text.Attended images,
      Owl3Text.@Nullable Attended text,
      GatedMlp.Saved mlp) {}

  /**
   * The result of {@link #forward}: it owns the output and what backward needs, and remembers what
   * it was computed from, which stays the caller's.
   */
  public static final class Activations implements AutoCloseable {
    private final Saved saved;
    private final Parameters weights;
    private final VisualCheckpoint visual;
    private final Owl3Batch batch;
    private final Tensor out;
    private final Scope kept;

    private Activations(
        Saved saved,
        Parameters weights,
        VisualCheckpoint visual,
        Owl3Batch batch,
        Tensor out,
        Scope kept) {
      this.saved = saved;
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
      return saved.q;
    }

    /**
     * Attention to the images, fused: to images and text, {@code [batch, rows, heads, headDim]}.
     */
    public Tensor attention() {
      return saved.images.o();
    }

    /** Log-sum-exp of {@link #attention}, {@code [batch, heads, rows]}. */
    public Tensor logSumExp() {
      return saved.images.lse();
    }

    /** Gated: attention to the text, {@code [batch, rows, heads, headDim]}; fused: null. */
    public @Nullable Tensor textAttention() {
      return saved.text == null ? null : saved.text.o();
    }

    /**
     * Keys and values of these rows, for a cache to append.
     *
     * @throws IllegalArgumentException if the cache has no room
     */
    public void appendTo(TextCache cache) {
      Tensor x = saved.x;
      int heads = cache.heads();
      cache.append(
          Heads.split(fresh(saved.k, x), heads, cache.headDim()),
          Heads.split(fresh(saved.v, x), heads, cache.headDim()));
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
      return new Owl3Layer(this, variant, Attentions.of(heads, keyValueHeads, headDim, strategy));
    }
  }
}
