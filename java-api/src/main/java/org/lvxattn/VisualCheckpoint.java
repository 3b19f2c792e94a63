// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;
import org.lvxattn.plan.VisualSizes;

/**
 * One copy of this rank's shard of the visual features, {@code [batch, rows, width]}, from which
 * every cross-attention layer makes its keys and values: what a layer keeps of them for backward is
 * the {@link Policy}'s choice. The features' gradient is summed here over all layers.
 *
 * <p>The shards of all ranks make up the whole in rank order; they may be uneven or empty. {@link
 * #forward} and {@link #backward} are collective: every rank of the group makes them, with the same
 * policy, attention and kind of projection. A wrong argument leaves all outputs as they were.
 * Features must be finite wherever they lie beside what some query sees.
 *
 * <p>Method: activation recomputation of LV-XAttn (arXiv 2502.02406), tile by tile, with true
 * gradients for features and all parameters.
 *
 * <p>Used by the thread that owns the device.
 */
public final class VisualCheckpoint implements AutoCloseable {
  private final Group group;
  private final Device device;
  private final Tensor features;
  private final Policy policy;
  private final long tileRows;
  private final long tileBytes;
  private final boolean frozen;
  private final VisualResource resource;
  private final Recomputation recomputation;
  private @Nullable Tensor gradient;
  private boolean closed;

  private VisualCheckpoint(Builder builder) {
    this.group = builder.group;
    this.device = builder.group.device();
    this.features = builder.features;
    this.policy = builder.policy;
    this.tileRows = builder.tileRows;
    this.tileBytes = builder.tileBytes;
    this.frozen = builder.frozen;
    this.resource = new VisualResource(device.resource());
    this.recomputation =
        switch (policy) {
          case KEEP -> new ShardRecomputation(group, features, resource, true);
          case RECOMPUTE -> new ShardRecomputation(group, features, resource, false);
          case RECOMPUTE_TILED -> new TiledRecomputation(group, features, resource, this::tileRows);
        };
    resource.watch(this);
  }

  /** What of keys and values lives from forward to backward. */
  public enum Policy {
    /** All of them, in each layer. */
    KEEP,
    /** None: backward projects the whole shard again, and holds it while the layer runs. */
    RECOMPUTE,
    /**
     * None, and never more than a tile: all queries are gathered, and one tile of keys and values
     * after the other is projected, used and dropped, in forward and in backward. The attention's
     * {@link Strategy} does not matter.
     */
    RECOMPUTE_TILED
  }

  /**
   * Describes a checkpoint.
   *
   * @param group the ranks that hold the features
   * @param features {@code [batch, rows, width]} of this rank, floating-point; the checkpoint takes
   *     it over when it is built, and closes it
   * @throws NullPointerException if an argument is null
   */
  public static Builder builder(Group group, Tensor features) {
    return new Builder(Arguments.present(group, "group"), Arguments.present(features, "features"));
  }

  /** The group whose ranks hold the features. */
  public Group group() {
    return group;
  }

  /** What lives from forward to backward. */
  public Policy policy() {
    return policy;
  }

  /**
   * This rank's features. They must not change between forward and backward.
   *
   * @throws IllegalStateException if the checkpoint was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor features() {
    requireUsable();
    return features;
  }

  /**
   * The sum of the features' gradients of all backward calls so far, shape of the features, float32
   * (float64 for float64). It is made when it is first needed and belongs to the checkpoint; the
   * caller may add to it or clear it.
   *
   * @throws IllegalStateException if the checkpoint was closed, or its features are frozen
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public Tensor featuresGradient() {
    requireUsable();
    if (frozen) {
      throw new IllegalStateException("the features are frozen: they have no gradient");
    }
    if (gradient == null) {
      gradient = Tensor.allocate(device, features.dtype().accumulator(), features.shape());
    }
    return gradient;
  }

  /**
   * Rows that are projected at a time under {@link Policy#RECOMPUTE_TILED}.
   *
   * @throws NullPointerException if projection is null
   */
  public long tileRows(KeyValueProjection projection) {
    Arguments.present(projection, "projection");
    if (tileBytes == 0) {
      return tileRows;
    }
    VisualSizes sizes =
        new VisualSizes(
            Math.toIntExact(Math.max(1, features.dimension(0))),
            Math.toIntExact(features.dimension(2)),
            projection.keyValueHeads(),
            projection.headDim(),
            projection.inputNorm() != Norm.NONE,
            projection.hasKeyNorm(),
            features.dtype());
    return sizes.tileRows(tileBytes);
  }

  /**
   * Attention of this rank's queries over keys and values of all ranks' features.
   *
   * @param attention heads, scale and, but for RECOMPUTE_TILED, strategy
   * @param projection how the layer makes keys and values; alike on all ranks
   * @param q {@code [batch, queries, heads, headDim]}, dtype of the features
   * @param mask what the queries see
   * @return output and what backward needs, for the caller to close
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape, stride or
   *     device, or attention and projection differ in heads
   * @throws IllegalStateException if the checkpoint, a tensor or the group was closed, or the group
   *     has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called something else
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public VisualForward forward(
      CrossAttention attention, KeyValueProjection projection, Tensor q, Mask mask) {
    group.requireUsable();
    VisualForward forward;
    try {
      requireUsable();
      requireAlike(attention, projection);
      forward = newForward(attention, projection, q, Arguments.present(mask, "mask"));
    } catch (RuntimeException e) {
      throw group.decline(recomputation.forwardOperation(), e);
    }
    try {
      recomputation.forward(forward);
      return forward;
    } catch (RuntimeException e) {
      closeAfter(e, forward);
      throw e;
    }
  }

  private static void closeAfter(RuntimeException failure, VisualForward forward) {
    try {
      forward.close();
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }

  private static void requireAlike(CrossAttention attention, KeyValueProjection projection) {
    Arguments.present(attention, "attention");
    Arguments.present(projection, "projection");
    Arguments.require(
        attention.keyValueHeads() == projection.keyValueHeads()
            && attention.headDim() == projection.headDim(),
        "projection has "
            + projection.keyValueHeads()
            + " heads of "
            + projection.headDim()
            + "; "
            + attention.keyValueHeads()
            + " of "
            + attention.headDim()
            + " were expected, as of attention");
  }

  private VisualForward newForward(
      CrossAttention attention, KeyValueProjection projection, Tensor q, Mask mask) {
    attention.requireQuery(q);
    Arguments.require(
        q.dtype() == features.dtype() && q.dimension(0) == features.dimension(0),
        "q is " + q + "; dtype and batch of the features, " + features + ", were expected");
    Tensor output = Tensor.allocate(device, q.dtype(), q.shape());
    try {
      Tensor logSumExp = LogSumExp.allocate(device, q, mask);
      return new VisualForward(this, attention, projection, q, mask, output, logSumExp);
    } catch (RuntimeException e) {
      Tensors.closeAfter(e, output);
      throw e;
    }
  }

  /**
   * Computes the gradient of the queries; adds those of the parameters to {@code gradients} and
   * that of the features to {@link #featuresGradient}.
   *
   * @param forward result of {@link #forward} on this checkpoint
   * @param dO gradient of its output: shape and dtype of that
   * @param dq output: shape and dtype of the queries
   * @param gradients of the projection's parameters, added to: this rank's share, whose sum over
   *     the ranks ({@link Group#allReduce}) is the whole
   * @return what the attention of the call cost this rank
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, or an
   *     output overlaps another tensor or is read-only
   * @throws IllegalStateException if the checkpoint, a tensor or the group was closed, or the group
   *     has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called something else
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public Statistics backward(
      VisualForward forward, Tensor dO, Tensor dq, KeyValueProjection.Gradients gradients) {
    return backward(forward, null, null, dO, dq, null, gradients);
  }

  /**
   * As {@link #backward(VisualForward, Tensor, Tensor, KeyValueProjection.Gradients)}, where the
   * features are only a part of what the queries attend to, or the mask has a bias.
   *
   * @param o output of the whole softmax, into which the forward result was merged; null: the
   *     forward result's own
   * @param lse log-sum-exp that goes with o, with its terms where there is a bias (see {@link
   *     CrossAttention#backwardInto}); null where o is
   * @param dO gradient of o
   * @param dq output: this part's share
   * @param dBias output, or null if it is not wanted: shape and dtype of the mask's bias, summed
   *     over the dimensions along which that is broadcast
   * @throws IllegalArgumentException also if just one of o and lse is null
   */
  public Statistics backward(
      VisualForward forward,
      @Nullable Tensor o,
      @Nullable Tensor lse,
      Tensor dO,
      Tensor dq,
      @Nullable Tensor dBias,
      KeyValueProjection.Gradients gradients) {
    group.requireUsable();
    VisualBackward call;
    try {
      requireUsable();
      Arguments.present(forward, "forward");
      Arguments.require(
          forward.checkpoint() == this,
          "forward is of another checkpoint; one of this was expected");
      Arguments.require((o == null) == (lse == null), "o and lse go together; both were expected");
      call =
          new VisualBackward(
              forward,
              o == null ? forward.output() : o,
              lse == null ? forward.logSumExpWithTerms() : lse,
              dO,
              dq,
              dBias,
              frozen ? null : featuresGradient(),
              gradients);
    } catch (RuntimeException e) {
      throw group.decline(recomputation.backwardOperation(), e);
    }
    Statistics statistics = Statistics.create();
    recomputation.backward(call, statistics);
    return statistics;
  }

  /**
   * Keys and values of this rank's features, for decoding by {@link CrossAttention#forward}. No
   * collective call.
   *
   * @return for the caller to close
   * @throws NullPointerException if projection is null
   * @throws IllegalArgumentException if a parameter has a wrong dtype, shape or device
   * @throws IllegalStateException if the checkpoint or a parameter was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public KeyValueCache project(KeyValueProjection projection) {
    requireUsable();
    Arguments.present(projection, "projection");
    ProjectionCalls calls = new ProjectionCalls(device, resource);
    try (ShardKeys keys = ShardKeys.project(calls, projection, features, false)) {
      return keys.toCache();
    }
  }

  /**
   * Closes the features and their gradient.
   *
   * @throws IllegalStateException if that was done already
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    device.requireOwner("checkpoint");
    if (closed) {
      throw new IllegalStateException("checkpoint: it was closed already");
    }
    Tensors.closeAll(features, gradient);
    resource.close();
    closed = true;
  }

  private void requireUsable() {
    device.requireUsable("checkpoint");
    if (closed) {
      throw new IllegalStateException("checkpoint: it was closed; an open one was expected");
    }
  }

  @Override
  public String toString() {
    return "VisualCheckpoint[" + policy + ", " + features + (closed ? ", closed]" : "]");
  }

  /** Sets up a {@link VisualCheckpoint}. */
  public static final class Builder {
    private static final long DEFAULT_TILE_ROWS = 1024;

    private final Group group;
    private final Tensor features;
    private Policy policy = Policy.RECOMPUTE_TILED;
    private long tileRows = DEFAULT_TILE_ROWS;
    private long tileBytes;
    private boolean frozen;

    private Builder(Group group, Tensor features) {
      this.group = group;
      this.features = features;
    }

    /**
     * What lives from forward to backward; {@link Policy#RECOMPUTE_TILED} if not set. The same on
     * every rank.
     *
     * @throws NullPointerException if policy is null
     */
    public Builder policy(Policy policy) {
      this.policy = Arguments.present(policy, "policy");
      return this;
    }

    /**
     * Rows of each batch item that are projected at a time under {@link Policy#RECOMPUTE_TILED};
     * 1024 if not set. Takes the place of {@link #tileBytes}. Each rank may have its own.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public Builder tileRows(long tileRows) {
      Arguments.require(tileRows > 0, "tileRows is " + tileRows + "; 1 or more was expected");
      this.tileRows = tileRows;
      this.tileBytes = 0;
      return this;
    }

    /**
     * Memory that a tile may take under {@link Policy#RECOMPUTE_TILED}, from which each layer's
     * rows follow ({@link VisualSizes#tileRows}); one row is always taken. Takes the place of
     * {@link #tileRows}.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public Builder tileBytes(long tileBytes) {
      Arguments.require(tileBytes > 0, "tileBytes is " + tileBytes + "; 1 or more was expected");
      this.tileBytes = tileBytes;
      return this;
    }

    /** Leaves the features without a gradient, which saves its memory and a matrix product. */
    public Builder frozen() {
      this.frozen = true;
      return this;
    }

    /**
     * The checkpoint that was described; it owns the features from now on.
     *
     * @throws IllegalArgumentException if the features are not {@code [batch, rows, width]} of a
     *     floating-point dtype on the group's device
     * @throws IllegalStateException if the features or the group were closed
     * @throws WrongThreadException if another thread owns the device
     */
    public VisualCheckpoint build() {
      group.requireUsable();
      features.requireUsable("features");
      Arguments.require(
          features.device() == group.device(),
          "features is on another device; the group's was expected");
      Arguments.require(
          features.rank() == 3 && features.dimension(2) > 0 && features.dtype().isFloating(),
          "features is " + features + "; floating-point [batch, rows, width] was expected");
      return new VisualCheckpoint(this);
    }
  }
}
