// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import org.jspecify.annotations.Nullable;
import org.lvxattn.CrossAttention;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.PartialAttention;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.collective.Collective;
import org.lvxattn.internal.handle.Handles;
import org.lvxattn.layer.KeyValueGradients;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.layer.Norm;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.plan.VisualSizes;

/**
 * One copy of this rank's shard of the visual features, {@code [batch, rows, width]}, from which
 * every cross-attention layer projects its keys and values. The {@link RecomputePolicy} decides
 * what a layer keeps of them for backward. The checkpoint accumulates the features' gradient over
 * all layers.
 *
 * <p>The shards of all ranks, in rank order, make up the whole sequence; they may be uneven or
 * empty. {@link #forward} and {@link #backward} are collective: every rank of the group makes them,
 * with the same policy, attention and kind of projection. If an argument is wrong, all outputs stay
 * unchanged. In every tile of which a query sees a row, all features must be finite.
 *
 * <p>Method: activation recomputation of LV-XAttn (arXiv 2502.02406), tile by tile, with exact
 * gradients of features and all parameters.
 *
 * <p>Only the thread that owns the device may use it.
 */
public final class VisualCheckpoint implements AutoCloseable {
  private final Group group;
  private final Collective collective;
  private final Device device;
  private final Tensor features;
  private final RecomputePolicy policy;
  private final long tileRows;
  private final long tileBytes;
  private final boolean frozen;
  private final boolean closesFeatures;
  private final VisualResource resource;
  private final Recomputation recomputation;
  private @Nullable Tensor gradient;
  private boolean closed;

  private VisualCheckpoint(Builder builder) {
    this.group = builder.group;
    this.collective = Handles.collective(group);
    this.device = builder.group.device();
    this.features = builder.features;
    this.policy = builder.policy;
    this.tileRows = builder.tileRows;
    this.tileBytes = builder.tileBytes;
    this.frozen = builder.frozen;
    this.closesFeatures = builder.closesFeatures;
    this.resource = new VisualResource(Handles.resource(device));
    this.recomputation =
        switch (policy) {
          case KEEP -> new ShardRecomputation(group, features, resource, true);
          case RECOMPUTE -> new ShardRecomputation(group, features, resource, false);
          case RECOMPUTE_TILED -> new TiledRecomputation(group, features, resource, this::tileRows);
        };
    resource.watch(this);
  }

  /**
   * A builder for a checkpoint.
   *
   * @param group the ranks that hold the features
   * @param features {@code [batch, rows, width]} of this rank, floating-point; it must stay open as
   *     long as the checkpoint; the caller closes it, unless {@link Builder#closeFeatures} is
   *     called
   * @throws NullPointerException if an argument is null
   */
  public static Builder builder(Group group, Tensor features) {
    return new Builder(
        Preconditions.present(group, "group"), Preconditions.present(features, "features"));
  }

  /** The group whose ranks hold the features. */
  public Group group() {
    return group;
  }

  /** What is kept from forward to backward. */
  public RecomputePolicy policy() {
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
   * (float64 for float64). It is allocated when it is first needed. The checkpoint owns it; the
   * caller may add to it or clear it.
   *
   * @throws IllegalStateException if the checkpoint was closed, or its features are frozen
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
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
   * Number of rows in a tile under {@link RecomputePolicy#RECOMPUTE_TILED}.
   *
   * @throws NullPointerException if projection is null
   */
  public long tileRows(KeyValueProjection projection) {
    Preconditions.present(projection, "projection");
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
   * Computes attention of this rank's queries over keys and values of all ranks' features.
   *
   * @param attention heads, scale and strategy; RECOMPUTE_TILED ignores the strategy
   * @param projection how the layer projects keys and values; the same on all ranks
   * @param q {@code [batch, queries, heads, headDim]}, dtype of the features
   * @param mask which keys each query sees, and the bias
   * @return output and what backward needs; the caller closes it
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor or parameter has a wrong dtype, shape, stride or
   *     device, or attention and projection differ in heads
   * @throws IllegalStateException if the checkpoint, a tensor or the group was closed, or the group
   *     has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public VisualForward forward(
      CrossAttention attention, KeyValueProjection projection, Tensor q, Mask mask) {
    collective.requireUsable();
    VisualForward forward =
        collective.prepare(
            recomputation.forwardOperation(),
            () -> {
              requireUsable();
              requireAlike(attention, projection);
              return newForward(attention, projection, q, Preconditions.present(mask, "mask"));
            });
    try {
      recomputation.forward(forward);
      return forward;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, forward);
      throw e;
    }
  }

  private static void requireAlike(CrossAttention attention, KeyValueProjection projection) {
    Preconditions.present(attention, "attention");
    Preconditions.present(projection, "projection");
    Preconditions.require(
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
    Handles.requireUsable(q, "q");
    Preconditions.require(
        q.rank() == 4
            && q.dimension(2) == attention.heads()
            && q.dimension(3) == attention.headDim(),
        "q is "
            + q
            + "; shape [batch, sequence, "
            + attention.heads()
            + ", "
            + attention.headDim()
            + "] was expected");
    Preconditions.require(
        q.dtype() == features.dtype() && q.dimension(0) == features.dimension(0),
        "q is " + q + "; dtype and batch of the features, " + features + ", were expected");
    Tensor output = Tensor.allocate(device, q.dtype(), q.shape());
    try {
      Tensor logSumExp = PartialAttention.allocateLogSumExp(device, q, mask);
      return new VisualForward(this, attention, projection, q, mask, output, logSumExp);
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, output);
      throw e;
    }
  }

  /**
   * Computes the gradient of the queries. Accumulates the parameters' gradients into {@code
   * gradients} and the features' gradient into {@link #featuresGradient}.
   *
   * @param forward result of {@link #forward} on this checkpoint
   * @param dO gradient of forward's output: its shape and dtype
   * @param dq output: shape and dtype of the queries
   * @param gradients of the projection's parameters, accumulated: this rank's part; the sum over
   *     the ranks ({@link Group#allReduce}) is the gradient
   * @return the cost of the call's attention on this rank
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, or an
   *     output overlaps another tensor or is read-only
   * @throws IllegalStateException if the checkpoint, a tensor or the group was closed, or the group
   *     has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public Statistics backward(
      VisualForward forward, Tensor dO, Tensor dq, KeyValueGradients gradients) {
    return backward(forward, null, null, dO, dq, null, gradients);
  }

  /**
   * As {@link #backward(VisualForward, Tensor, Tensor, KeyValueGradients)}, for queries that also
   * attend to other keys, or for a mask with a bias.
   *
   * @param o output of the softmax over all keys, into which the forward result was merged; null
   *     for the forward result's own
   * @param lse log-sum-exp of o, with its terms if there is a bias (see {@link
   *     CrossAttention#backwardInto}); null if o is null
   * @param dO gradient of o
   * @param dq output: the contribution of these features' keys
   * @param dBias output, or null if it is not wanted: shape and dtype of the mask's bias, summed
   *     over the dimensions along which the bias is broadcast
   * @throws IllegalArgumentException also if only one of o and lse is null
   */
  public Statistics backward(
      VisualForward forward,
      @Nullable Tensor o,
      @Nullable Tensor lse,
      Tensor dO,
      Tensor dq,
      @Nullable Tensor dBias,
      KeyValueGradients gradients) {
    collective.requireUsable();
    VisualBackward call =
        collective.prepare(
            recomputation.backwardOperation(),
            () -> {
              requireUsable();
              Preconditions.present(forward, "forward");
              Preconditions.require(
                  forward.checkpoint() == this,
                  "forward is of another checkpoint; one of this was expected");
              Preconditions.require(
                  (o == null) == (lse == null), "o and lse go together; both were expected");
              return new VisualBackward(
                  forward,
                  o == null ? forward.output() : o,
                  lse == null ? forward.logSumExpWithTerms() : lse,
                  dO,
                  dq,
                  dBias,
                  frozen ? null : featuresGradient(),
                  gradients);
            });
    Statistics statistics = Statistics.create();
    recomputation.backward(call, statistics);
    return statistics;
  }

  /**
   * Projects keys and values of this rank's features, for decoding by {@link
   * CrossAttention#forward}. Not a collective call.
   *
   * @return keys and values; the caller closes them
   * @throws NullPointerException if projection is null
   * @throws IllegalArgumentException if a parameter has a wrong dtype, shape or device
   * @throws IllegalStateException if the checkpoint or a parameter was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public KeyValueCache project(KeyValueProjection projection) {
    requireUsable();
    Preconditions.present(projection, "projection");
    ProjectionCalls calls = new ProjectionCalls(device, resource);
    try (ShardKeys keys = ShardKeys.project(calls, projection, features, false)) {
      return keys.toCache();
    }
  }

  /**
   * Closes the gradient of the features. Closes the features too if {@link Builder#closeFeatures}
   * was called; otherwise the caller closes them. Closing it again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    Handles.requireOwner(device, "checkpoint");
    if (closed) {
      return;
    }
    Closing.closeAll(closesFeatures ? features : null, gradient);
    resource.close();
    closed = true;
  }

  private void requireUsable() {
    Handles.requireUsable(device, "checkpoint");
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
    private RecomputePolicy policy = RecomputePolicy.RECOMPUTE_TILED;
    private long tileRows = DEFAULT_TILE_ROWS;
    private long tileBytes;
    private boolean frozen;
    private boolean closesFeatures;

    private Builder(Group group, Tensor features) {
      this.group = group;
      this.features = features;
    }

    /**
     * What is kept from forward to backward; {@link RecomputePolicy#RECOMPUTE_TILED} if not set.
     * The same on every rank.
     *
     * @throws NullPointerException if policy is null
     */
    public Builder policy(RecomputePolicy policy) {
      this.policy = Preconditions.present(policy, "policy");
      return this;
    }

    /**
     * Number of rows of each batch item in a tile under {@link RecomputePolicy#RECOMPUTE_TILED};
     * 1024 if not set. Overrides {@link #tileBytes}. Ranks may differ.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public Builder tileRows(long tileRows) {
      Preconditions.require(tileRows > 0, "tileRows is " + tileRows + "; 1 or more was expected");
      this.tileRows = tileRows;
      this.tileBytes = 0;
      return this;
    }

    /**
     * Memory of a tile under {@link RecomputePolicy#RECOMPUTE_TILED}, in bytes. It determines the
     * number of rows for each layer ({@link VisualSizes#tileRows}), at least one. Overrides {@link
     * #tileRows}.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public Builder tileBytes(long tileBytes) {
      Preconditions.require(
          tileBytes > 0, "tileBytes is " + tileBytes + "; 1 or more was expected");
      this.tileBytes = tileBytes;
      return this;
    }

    /**
     * Transfers ownership of the features: they are closed with the checkpoint. Otherwise the
     * caller owns them and keeps them open as long as the checkpoint.
     */
    public Builder closeFeatures() {
      this.closesFeatures = true;
      return this;
    }

    /** Computes no gradient of the features. This saves its memory and a matrix product. */
    public Builder frozen() {
      this.frozen = true;
      return this;
    }

    /**
     * Builds the checkpoint.
     *
     * @throws IllegalArgumentException if the features are not {@code [batch, rows, width]} of a
     *     floating-point dtype on the group's device
     * @throws IllegalStateException if the features or the group were closed
     * @throws WrongThreadException if another thread owns the device
     */
    public VisualCheckpoint build() {
      Handles.collective(group).requireUsable();
      Handles.requireUsable(features, "features");
      Preconditions.require(
          features.device() == group.device(),
          "features is on another device; the group's was expected");
      Preconditions.require(
          features.rank() == 3 && features.dimension(2) > 0 && features.dtype().isFloating(),
          "features is " + features + "; floating-point [batch, rows, width] was expected");
      return new VisualCheckpoint(this);
    }
  }
}
