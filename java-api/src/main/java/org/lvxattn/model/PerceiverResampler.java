// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.lvxattn.CrossAttention;
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
import org.lvxattn.visual.VisualCheckpoint;

/**
 * OpenFlamingo's resampler (open_flamingo {@code PerceiverResampler}): in each of several layers, a
 * fixed number of latents per image attend to the image's features and to each other.
 *
 * <pre>
 * latents += attention(LN(latents); [LN(features); LN(latents)])
 * latents += W3 gelu(W1 LN(latents))
 * </pre>
 *
 * A layer norm follows the last layer. Images are batch items. Features and latents of every image
 * are sharded over the ranks. To distribute whole images instead, give each rank a group of one
 * rank.
 *
 * <p>If an image has several frames, its rows are {@code frame * tokens + token}. open_flamingo can
 * add frame and image embeddings to the features. The released models do not have them; a caller
 * that needs them adds them beforehand.
 *
 * <p>Parameters: {@code latents} and for each layer N {@code
 * layers.N.0.{norm_media,norm_latents}.{weight,bias}}, {@code
 * layers.N.0.{to_q,to_kv,to_out}.weight}, {@code layers.N.1.0.{weight,bias}}, {@code
 * layers.N.1.{1,3}.weight}; {@code norm.{weight,bias}}. In checkpoints they have the prefix {@code
 * perceiver.}. Immutable.
 */
public final class PerceiverResampler {
  private static final String LATENTS = "latents";
  private static final String NORM_WEIGHT = "norm.weight";
  private static final String NORM_BIAS = "norm.bias";

  private final int width;
  private final int latents;
  private final double epsilon;
  private final List<PerceiverAttention> attentions = new ArrayList<>();
  private final List<FeedForward> feedForwards = new ArrayList<>();

  private PerceiverResampler(Builder settings, CrossAttention attention) {
    this.width = settings.width;
    this.latents = settings.latents;
    this.epsilon = settings.epsilon;
    int inner = Math.multiplyExact(settings.feedForwardFactor, width);
    for (int layer = 0; layer < settings.depth; layer++) {
      String prefix = "layers." + layer + ".";
      attentions.add(new PerceiverAttention(prefix + "0.", width, epsilon, attention));
      feedForwards.add(new FeedForward(prefix + "1.", null, width, inner, epsilon));
    }
  }

  /** A builder with 6 layers, 64 latents and 8 heads of 64 elements; width must be set. */
  public static Builder builder() {
    return new Builder();
  }

  /** Number of latents, and thus of output rows, of each image. */
  public int latents() {
    return latents;
  }

  /** Number of layers. */
  public int depth() {
    return attentions.size();
  }

  /** Names and shapes of the parameters. */
  public SequencedMap<String, long[]> parameterShapes() {
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put(LATENTS, new long[] {latents, width});
    for (int layer = 0; layer < depth(); layer++) {
      attentions.get(layer).putShapes(shapes);
      feedForwards.get(layer).putShapes(shapes);
    }
    shapes.put(NORM_WEIGHT, new long[] {width});
    shapes.put(NORM_BIAS, new long[] {width});
    return shapes;
  }

  /** How a layer projects keys and values from the features. */
  public KeyValueProjection projection(Parameters weights, int layer) {
    return attentions.get(layer).projection(weights);
  }

  /**
   * Computes all layers and keeps what backward needs. A collective call.
   *
   * @param weights by the names above
   * @param visual features of this rank, {@code [images, rows, width]}
   * @param shard this rank's latents
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape or device,
   *     or shard is not one of all latents
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public Activations forward(Parameters weights, VisualCheckpoint visual, RowShard shard) {
    Group group = Preconditions.present(visual, "visual").group();
    CollectiveSequence calls = new CollectiveSequence(group, Operation.FORWARD, 2 * depth());
    TensorScope kept = new TensorScope(group.device());
    try {
      requireFitting(weights, shard);
      Tensor features = visual.features();
      Tensor rows = kept.allocate(features.dtype(), features.dimension(0), shard.rows(), width);
      Tensor first = weights.get(LATENTS).slice(0, shard.begin(), shard.end());
      for (long image = 0; image < rows.dimension(0); image++) {
        item(rows, image).copyFrom(first);
      }
      List<Saved> saved = new ArrayList<>();
      for (int layer = 0; layer < depth(); layer++) {
        Tensor mixed = kept.like(rows);
        PerceiverAttention.Saved attended =
            attentions.get(layer).forward(calls, kept, weights, rows, visual, mixed);
        Tensor next = kept.like(rows);
        FeedForward.Saved fed = feedForwards.get(layer).forward(kept, weights, mixed, next);
        saved.add(new Saved(attended, fed));
        rows = next;
      }
      Tensor out = kept.like(rows);
      LayerOperations.norm(
          Norm.LAYER, epsilon, rows, weights.get(NORM_WEIGHT), weights.get(NORM_BIAS), out);
      return new Activations(weights, visual, shard, saved, rows, out, kept);
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, kept);
      calls.failed(e);
      throw e;
    }
  }

  private void requireFitting(Parameters weights, RowShard shard) {
    Preconditions.present(weights, "weights").require(parameterShapes());
    Preconditions.require(
        Preconditions.present(shard, "shard").total() == latents,
        "shard is of " + shard.total() + " latents; of " + latents + " was expected");
  }

  /**
   * Computes gradients. Accumulates the parameters' gradients into {@code gradients} and the
   * features' gradient into the checkpoint. A collective call.
   *
   * @param activations of forward; their inputs must be open and unchanged
   * @param dOut gradient of the output: its shape and dtype
   * @param gradients by the parameters' names; over this rank's rows
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape or device
   * @throws IllegalStateException if something was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public void backward(Activations activations, Tensor dOut, Gradients gradients) {
    Group group = Preconditions.present(activations, "activations").visual.group();
    CollectiveSequence calls = new CollectiveSequence(group, Operation.BACKWARD, 2 * depth());
    Parameters w = activations.weights;
    try (TensorScope scratch = new TensorScope(group.device())) {
      SequenceShapes.sameShape(dOut, "dOut", activations.out);
      Preconditions.present(gradients, "gradients").require(parameterShapes());
      Tensor d = scratch.like(dOut);
      LayerOperations.normBackward(
          Norm.LAYER,
          epsilon,
          activations.last,
          w.get(NORM_WEIGHT),
          dOut,
          d,
          false,
          gradients.get(NORM_WEIGHT),
          gradients.get(NORM_BIAS));
      for (int layer = depth() - 1; layer >= 0; layer--) {
        Saved saved = activations.layers.get(layer);
        feedForwards.get(layer).backward(saved.feedForward, w, gradients, d);
        attentions.get(layer).backward(calls, saved.attention, w, activations.visual, gradients, d);
      }
      // All images start from the same latents, so their gradients are summed.
      Tensor whole = gradients.get(LATENTS);
      RowShard shard = activations.shard;
      Tensor sum = whole.slice(0, shard.begin(), shard.end()).reshape(1, shard.rows(), width);
      Tensor wide = scratch.allocate(whole.dtype(), d.shape()).copyFrom(d);
      for (long image = 0; image < d.dimension(0); image++) {
        LayerOperations.add(wide.slice(0, image, image + 1), sum);
      }
    } catch (RuntimeException | Error e) {
      calls.failed(e);
      throw e;
    }
  }

  /** [rows, width] of one image. */
  private static Tensor item(Tensor rows, long image) {
    return rows.slice(0, image, image + 1).reshape(rows.dimension(1), rows.dimension(2));
  }

  private record Saved(PerceiverAttention.Saved attention, FeedForward.Saved feedForward) {}

  /**
   * The result of {@link #forward}: it owns the output and what backward needs, and refers to its
   * inputs, which the caller owns.
   */
  public static final class Activations implements AutoCloseable {
    private final Parameters weights;
    private final VisualCheckpoint visual;
    private final RowShard shard;
    private final List<Saved> layers;
    private final Tensor last;
    private final Tensor out;
    private final TensorScope kept;

    private Activations(
        Parameters weights,
        VisualCheckpoint visual,
        RowShard shard,
        List<Saved> layers,
        Tensor last,
        Tensor out,
        TensorScope kept) {
      this.weights = weights;
      this.visual = visual;
      this.shard = shard;
      this.layers = layers;
      this.last = last;
      this.out = out;
      this.kept = kept;
    }

    /** This rank's latents of each image, {@code [images, latents, width]}. */
    public Tensor output() {
      return out;
    }

    /** Frees what is kept. Closing again does nothing. */
    @Override
    public void close() {
      kept.close();
    }
  }

  /** Sets up a {@link PerceiverResampler}. */
  public static final class Builder {
    private int width;
    private int latents = 64;
    private int depth = 6;
    private int heads = 8;
    private int headDim = 64;
    private int feedForwardFactor = 4;
    private double epsilon = 1e-5;
    private Strategy strategy = Strategy.QUERY_RING;

    private Builder() {}

    /** Width of the features and latents; must be set. */
    public Builder width(int width) {
      this.width = Preconditions.positive(width, "width");
      return this;
    }

    /** Number of latents of an image; 64 if not set. */
    public Builder latents(int latents) {
      this.latents = Preconditions.positive(latents, "latents");
      return this;
    }

    /** Number of layers; 6 if not set. */
    public Builder depth(int depth) {
      this.depth = Preconditions.positive(depth, "depth");
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
     * Builds the resampler.
     *
     * @throws IllegalStateException if width was not set
     * @throws IllegalArgumentException if {@link CrossAttention} does not accept heads or headDim
     */
    public PerceiverResampler build() {
      Preconditions.set(width, "width");
      return new PerceiverResampler(this, Attentions.of(heads, heads, headDim, strategy));
    }
  }
}
