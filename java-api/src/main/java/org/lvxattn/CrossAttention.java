// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.collective.Collective;
import org.lvxattn.internal.memory.Reachability;

/**
 * Exact softmax attention of queries over the keys of all ranks of a group: {@code o =
 * softmax(scale q k^T + bias) v}, over the keys that each query sees.
 *
 * <p>Every rank passes its own shard of the queries and of the keys and values. Shards may be
 * uneven or empty; concatenated in rank order they are the whole sequence. Shapes are {@code
 * [batch, sequence, heads, headDim]}; query head {@code h} reads key head {@code h / (heads /
 * keyValueHeads)}. Inputs are float64, float32, bfloat16 or float16, all of one dtype. Sums are
 * accumulated in float32 (float64 for float64). Long sums are split into groups, which are added in
 * float64, also across ranks. Values may be as large as 3.39e38 (on a GPU 1e34). Any strides with a
 * contiguous last dimension are accepted. Results have the same bits on every run, except that
 * {@link AttentionBackend#CUDNN} does not guarantee it for gradients. With {@link Strategy#AUTO}
 * the group must have a {@linkplain org.lvxattn.group.Group#setPlanner planner}, since a choice by
 * measurement may differ between runs.
 *
 * <p>All calls are collective: every rank of the group makes them, with the same batch, heads,
 * headDim, dtype, scale and strategy. If an argument is wrong, all outputs stay unchanged.
 *
 * <p>Method: online softmax by blocks (Milakov and Gimelshein, arXiv 1805.02867; Dao et al., arXiv
 * 2205.14135), partial results merged by their log-sum-exp, distributed as {@link Strategy} says.
 *
 * <p>Immutable. Any number of threads may use it, each with its own group.
 */
public final class CrossAttention {
  private static final int FORWARD = Lvx.LVX_OPERATION_FORWARD();
  private static final int BACKWARD = Lvx.LVX_OPERATION_BACKWARD();

  private final int heads;
  private final int keyValueHeads;
  private final int headDim;
  private final double scale;
  private final Strategy strategy;

  private CrossAttention(
      int heads, int keyValueHeads, int headDim, double scale, Strategy strategy) {
    this.heads = heads;
    this.keyValueHeads = keyValueHeads;
    this.headDim = headDim;
    this.scale = scale;
    this.strategy = strategy;
  }

  /** An empty builder; {@link Builder#heads} and {@link Builder#headDim} must be set. */
  public static Builder builder() {
    return new Builder();
  }

  /** Number of query heads. */
  public int heads() {
    return heads;
  }

  /** Number of key and value heads. */
  public int keyValueHeads() {
    return keyValueHeads;
  }

  /** Elements of one head. */
  public int headDim() {
    return headDim;
  }

  /** The factor of the logits. */
  public double scale() {
    return scale;
  }

  /** Which tensors move between the ranks. */
  public Strategy strategy() {
    return strategy;
  }

  /**
   * As {@link #forward(Communicator, Tensor, Tensor, Tensor, Mask)} without a mask.
   *
   * @param group this rank's part in the group
   * @param q {@code [batch, queries, heads, headDim]}
   * @param k {@code [batch, keys, keyValueHeads, headDim]}
   * @param v as k
   */
  public AttentionForward forward(Communicator group, Tensor q, Tensor k, Tensor v) {
    return forward(group, q, k, v, Mask.none());
  }

  /**
   * Computes attention into new tensors on the group's device.
   *
   * @param group this rank's part in the group
   * @param q {@code [batch, queries, heads, headDim]}
   * @param k {@code [batch, keys, keyValueHeads, headDim]}
   * @param v as k
   * @param mask which keys each query sees, and the bias
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device
   * @throws IllegalStateException if a tensor or the group was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called a different collective
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public AttentionForward forward(Communicator group, Tensor q, Tensor k, Tensor v, Mask mask) {
    Collective collective = usable(group);
    AttentionForward forward =
        collective.prepare(FORWARD, () -> newForward(group.device(), q, k, v, mask));
    try {
      forwardInto(
          group,
          new AttentionInputs(q, k, v, mask),
          new AttentionOutputs(forward.output(), forward.logSumExpWithTerms()),
          forward.statistics());
      return forward;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, forward.output(), forward.logSumExpWithTerms());
      throw e;
    }
  }

  /** Allocates the result of a forward call. */
  private AttentionForward newForward(Device device, Tensor q, Tensor k, Tensor v, Mask mask) {
    requireQuery(q);
    Preconditions.present(mask, "mask");
    Tensor output = Tensor.allocate(device, q.dtype(), q.shape());
    try {
      Tensor logSumExp = PartialAttention.allocateLogSumExp(device, q, mask);
      return new AttentionForward(this, q, k, v, mask, output, logSumExp, Statistics.create());
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, output);
      throw e;
    }
  }

  /**
   * Computes attention into tensors of the caller. Allocates nothing on the heap once the JVM has
   * warmed up; a caller may reuse the records, too.
   *
   * @param group this rank's part in the group
   * @param inputs this rank's queries, keys and values
   * @param outputs output and log-sum-exp
   * @param statistics output
   * @throws NullPointerException if an argument, or something in it, is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, or an
   *     output overlaps another tensor or is read-only
   * @throws IllegalStateException if a tensor or the group was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called a different collective
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public void forwardInto(
      Communicator group, AttentionInputs inputs, AttentionOutputs outputs, Statistics statistics) {
    usable(group);
    group.forwardCall().run(group, this, inputs, outputs, statistics);
    Reachability.keep(group, inputs, outputs);
  }

  /**
   * Computes the gradients of queries, keys and values into new tensors on the group's device.
   *
   * @param group the group that forward was computed in, or an equivalent one
   * @param forward the result of forward; its inputs must be open and unchanged
   * @param dO gradient of the output: its shape and dtype
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, or if
   *     forward was computed by attention with another configuration
   * @throws IllegalStateException if a tensor or the group was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called a different collective
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public AttentionGradients backward(Communicator group, AttentionForward forward, Tensor dO) {
    return backward(group, forward, dO, false);
  }

  /**
   * As {@link #backward(Communicator, AttentionForward, Tensor)}; also computes the gradient of the
   * bias.
   *
   * @param group the group that forward was computed in, or an equivalent one
   * @param forward the result of forward with a mask that has a bias
   * @param dO gradient of the output: its shape and dtype
   * @throws IllegalArgumentException also if forward was computed without a bias
   */
  public AttentionGradients backwardWithBias(
      Communicator group, AttentionForward forward, Tensor dO) {
    return backward(group, forward, dO, true);
  }

  private AttentionGradients backward(
      Communicator group, AttentionForward forward, Tensor dO, boolean withBias) {
    AttentionGradients gradients =
        usable(group)
            .prepare(
                BACKWARD,
                () -> {
                  Preconditions.present(dO, "dO");
                  return newGradients(Preconditions.present(forward, "forward"), withBias);
                });
    try {
      backwardInto(
          group,
          new AttentionInputs(forward.query(), forward.key(), forward.value(), forward.mask()),
          new AttentionOutputs(forward.output(), forward.logSumExpWithTerms()),
          dO,
          new GradientOutputs(
              gradients.query(), gradients.key(), gradients.value(), gradients.bias()),
          gradients.statistics());
      return gradients;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(
          e, gradients.query(), gradients.key(), gradients.value(), gradients.bias());
      throw e;
    }
  }

  /** Allocates the result of a backward call. */
  private AttentionGradients newGradients(AttentionForward forward, boolean withBias) {
    if (!forward.attention().sameAs(this)) {
      throw new IllegalArgumentException(
          "forward was computed by " + forward.attention() + "; " + this + " was expected");
    }
    Tensor bias = forward.mask().bias();
    if (withBias && bias == null) {
      throw new IllegalArgumentException(
          "forward was computed without a bias; a mask with a bias was expected");
    }
    Tensor dq = null;
    Tensor dk = null;
    Tensor dv = null;
    try {
      dq = Tensor.allocateLike(forward.query());
      dk = Tensor.allocateLike(forward.key());
      dv = Tensor.allocateLike(forward.value());
      Tensor dBias = withBias && bias != null ? Tensor.allocateLike(bias) : null;
      return new AttentionGradients(dq, dk, dv, dBias, Statistics.create());
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, dq, dk, dv);
      throw e;
    }
  }

  /**
   * Computes gradients into tensors of the caller, from the final output and log-sum-exp. Allocates
   * nothing on the heap once the JVM has warmed up.
   *
   * <p>Method: Dao et al., arXiv 2205.14135. Probabilities are recomputed from lse; each rank
   * computes delta = rowsum(dO * o) of its own queries once.
   *
   * @param group this rank's part in the group
   * @param inputs as in forward
   * @param outputs of forward. If the log-sum-exp covers more keys than the inputs, dq gets the
   *     contribution of the inputs' keys only. With a bias the log-sum-exp has its terms, {@code
   *     [3, batch, heads, queries]}. Without them, as {@code [batch, heads, queries]}, a bias entry
   *     beyond 4096 in magnitude is rejected (not checked on a GPU)
   * @param dO gradient of the output: its shape and dtype
   * @param gradients output
   * @param statistics output
   * @throws NullPointerException if an argument, or something in it other than dBias, is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, an
   *     output overlaps another tensor or is read-only, or dBias is given without a bias
   * @throws IllegalStateException if a tensor or the group was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called a different collective
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public void backwardInto(
      Communicator group,
      AttentionInputs inputs,
      AttentionOutputs outputs,
      Tensor dO,
      GradientOutputs gradients,
      Statistics statistics) {
    usable(group);
    group.backwardCall().run(group, this, inputs, outputs, dO, gradients, statistics);
    Reachability.keep(group, inputs, outputs, dO);
    Reachability.keep(gradients);
  }

  /** Checks the heads, which the native side does not know; it checks everything else. */
  void requireInputs(AttentionInputs inputs) {
    Preconditions.present(inputs.mask(), "mask");
    requireShape(Preconditions.present(inputs.q(), "q"), "q", heads);
    requireShape(Preconditions.present(inputs.k(), "k"), "k", keyValueHeads);
    requireShape(Preconditions.present(inputs.v(), "v"), "v", keyValueHeads);
  }

  /** Checks the queries before results are allocated by their shape. */
  void requireQuery(Tensor q) {
    Preconditions.present(q, "q").requireUsable("q");
    requireShape(q, "q", heads);
    Preconditions.require(
        q.dtype().isFloating(), "q is " + q.dtype() + "; a floating-point dtype was expected");
  }

  private void requireShape(Tensor tensor, String name, int expectedHeads) {
    if (tensor.rank() != 4
        || tensor.dimension(2) != expectedHeads
        || tensor.dimension(3) != headDim) {
      throw new IllegalArgumentException(
          name
              + " is "
              + tensor
              + "; shape [batch, sequence, "
              + expectedHeads
              + ", "
              + headDim
              + "] was expected");
    }
  }

  private static Collective usable(Communicator group) {
    Collective collective = Preconditions.present(group, "group").collective();
    collective.requireUsable();
    return collective;
  }

  private boolean sameAs(CrossAttention other) {
    return heads == other.heads
        && keyValueHeads == other.keyValueHeads
        && headDim == other.headDim
        && scale == other.scale;
  }

  @Override
  public String toString() {
    return "CrossAttention[heads "
        + heads
        + ", keyValueHeads "
        + keyValueHeads
        + ", headDim "
        + headDim
        + ", scale "
        + scale
        + ", "
        + strategy
        + "]";
  }

  /** Sets up a {@link CrossAttention}. */
  public static final class Builder {
    private int heads;
    private int keyValueHeads;
    private int headDim;
    private double scale = Double.NaN;
    private Strategy strategy = Strategy.QUERY_RING;

    private Builder() {}

    /**
     * Number of query heads; must be set.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public Builder heads(int heads) {
      Preconditions.require(heads > 0, "heads is " + heads + "; 1 or more was expected");
      this.heads = heads;
      return this;
    }

    /**
     * Number of key and value heads, a divisor of the query heads; the same number if not set.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public Builder keyValueHeads(int keyValueHeads) {
      Preconditions.require(
          keyValueHeads > 0, "keyValueHeads is " + keyValueHeads + "; 1 or more was expected");
      this.keyValueHeads = keyValueHeads;
      return this;
    }

    /**
     * Elements of one head; must be set.
     *
     * @throws IllegalArgumentException if it is not a multiple of 8 from 8 to 256
     */
    public Builder headDim(int headDim) {
      this.headDim = Preconditions.headDim(headDim);
      return this;
    }

    /**
     * Scale of the logits; headDim<sup>-1/2</sup> if not set.
     *
     * @throws IllegalArgumentException if it is not finite
     */
    public Builder scale(double scale) {
      Preconditions.require(
          Double.isFinite(scale), "scale is " + scale + "; a finite number was expected");
      this.scale = scale;
      return this;
    }

    /**
     * Which tensors move between the ranks; {@link Strategy#QUERY_RING} if not set.
     *
     * @throws NullPointerException if strategy is null
     */
    public Builder strategy(Strategy strategy) {
      this.strategy = Preconditions.present(strategy, "strategy");
      return this;
    }

    /**
     * Builds the attention.
     *
     * @throws IllegalStateException if heads or headDim was not set
     * @throws IllegalArgumentException if heads is not a multiple of keyValueHeads
     */
    public CrossAttention build() {
      if (heads == 0 || headDim == 0) {
        throw new IllegalStateException((heads == 0 ? "heads" : "headDim") + " was not set");
      }
      int keyHeads = keyValueHeads == 0 ? heads : keyValueHeads;
      Preconditions.require(
          heads % keyHeads == 0,
          "keyValueHeads is " + keyHeads + "; a divisor of heads, " + heads + ", was expected");
      double factor = Double.isNaN(scale) ? 1 / Math.sqrt(headDim) : scale;
      return new CrossAttention(heads, keyHeads, headDim, factor, strategy);
    }
  }
}
