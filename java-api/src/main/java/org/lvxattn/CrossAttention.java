// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.plan.Pass;

/**
 * Exact softmax attention of queries over the keys of all ranks of a group: {@code o =
 * softmax(scale q k^T + bias) v}, over the keys that each query sees.
 *
 * <p>Every rank passes its own shard of the queries and of the keys and values; shards may be
 * uneven or empty, and make up the whole in rank order. Shapes are {@code [batch, sequence, heads,
 * headDim]}; query head {@code h} reads key head {@code h / (heads / keyValueHeads)}. Inputs are
 * float64, float32, bfloat16 or float16, all of one dtype; sums are kept in float32 (float64 for
 * float64), long ones in groups that are added up in float64, also across ranks. Values may be as
 * large as 3.39e38 (on a GPU 1e34). Any strides with a contiguous last dimension are accepted.
 * Results are the same bits on every run; with {@link Strategy#AUTO} where it chooses by what it
 * was told ({@link Group#planner}), as a choice by measurement may come out differently.
 *
 * <p>All calls are collective: every rank of the group makes them, with the same batch, heads,
 * headDim, dtype, scale and strategy. A wrong argument leaves all outputs as they were.
 *
 * <p>Method: online softmax by blocks (Milakov and Gimelshein, arXiv 1805.02867; Dao et al., arXiv
 * 2205.14135), partial results merged by their log-sum-exp, distributed as {@link Strategy} says.
 *
 * <p>Immutable; any number of threads may use it, each with a group of its own.
 */
public final class CrossAttention {
  private static final int MAX_HEAD_DIM = 256;
  private static final int HEAD_DIM_UNIT = 8;

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

  /** Starts with nothing set; {@link Builder#heads} and {@link Builder#headDim} must be. */
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

  /** What multiplies the logits. */
  public double scale() {
    return scale;
  }

  /** What moves between the ranks. */
  public Strategy strategy() {
    return strategy;
  }

  /**
   * As {@link #forward(Group, Tensor, Tensor, Tensor, Mask)} without a mask.
   *
   * @param group this rank's part in the group
   * @param q {@code [batch, queries, heads, headDim]}
   * @param k {@code [batch, keys, keyValueHeads, headDim]}
   * @param v as k
   */
  public AttentionForward forward(Group group, Tensor q, Tensor k, Tensor v) {
    return forward(group, q, k, v, Mask.none());
  }

  /**
   * Computes attention into new tensors on the group's device.
   *
   * @param group this rank's part in the group
   * @param q {@code [batch, queries, heads, headDim]}
   * @param k {@code [batch, keys, keyValueHeads, headDim]}
   * @param v as k
   * @param mask what the queries see
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device
   * @throws IllegalStateException if a tensor or the group was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called something else
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public AttentionForward forward(Group group, Tensor q, Tensor k, Tensor v, Mask mask) {
    Arguments.present(group, "group").requireUsable();
    AttentionForward forward;
    try {
      forward = newForward(group.device(), q, k, v, mask);
    } catch (RuntimeException e) {
      throw group.decline(Operation.FORWARD, e);
    }
    try {
      forwardInto(
          group,
          q,
          k,
          v,
          mask,
          forward.output(),
          forward.logSumExpWithTerms(),
          forward.statistics());
      return forward;
    } catch (RuntimeException e) {
      Tensors.closeAfter(e, forward.output(), forward.logSumExpWithTerms());
      throw e;
    }
  }

  /** A result that is not computed yet. */
  private AttentionForward newForward(Device device, Tensor q, Tensor k, Tensor v, Mask mask) {
    requireQuery(q);
    Arguments.present(mask, "mask");
    Tensor output = Tensor.allocate(device, q.dtype(), q.shape());
    try {
      Tensor logSumExp = LogSumExp.allocate(device, q, mask);
      return new AttentionForward(this, q, k, v, mask, output, logSumExp, Statistics.create());
    } catch (RuntimeException e) {
      Tensors.closeAfter(e, output);
      throw e;
    }
  }

  /**
   * Computes attention into tensors of the caller. Allocates nothing on the heap once the JVM has
   * warmed up.
   *
   * @param group this rank's part in the group
   * @param q {@code [batch, queries, heads, headDim]}
   * @param k {@code [batch, keys, keyValueHeads, headDim]}
   * @param v as k
   * @param mask what the queries see
   * @param o output: shape and dtype of q; 0 where a query sees nothing
   * @param lse output: {@code [batch, heads, queries]}, float32 (float64 for float64), natural
   *     logarithm; -infinity where a query sees nothing. Or {@code [3, batch, heads, queries]}:
   *     with the two terms that it is the sum of, the largest bias of the keys that the query sees
   *     (0 without a bias) and the rest, which backward and merges need where there is a bias
   * @param statistics output
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, or an
   *     output overlaps another tensor or is read-only
   * @throws IllegalStateException if a tensor or the group was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called something else
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public void forwardInto(
      Group group,
      Tensor q,
      Tensor k,
      Tensor v,
      Mask mask,
      Tensor o,
      Tensor lse,
      Statistics statistics) {
    Arguments.present(group, "group").requireUsable();
    OperationEvent event;
    int status;
    try {
      Arguments.present(mask, "mask");
      Arguments.present(statistics, "statistics");
      requireShapes(q, k, v);
      Device device = group.device();
      Strategy chosen =
          strategy == Strategy.AUTO
              ? group.automatic().choose(this, q, k, mask, Pass.FORWARD, false)
              : strategy;
      event = FlightEvents.begin(group);
      status =
          Lvx.lvx_attention_forward(
              group.handle(),
              group.options(scale, chosen),
              Arguments.input(q, device, "q"),
              Arguments.input(k, device, "k"),
              Arguments.input(v, device, "v"),
              Arguments.optionalInput(mask.visibility(), device, "visibility"),
              Arguments.optionalInput(mask.bias(), device, "bias"),
              Arguments.output(o, device, "o"),
              Arguments.output(lse, device, "lse"),
              group.statistics());
    } catch (RuntimeException e) { // native code never throws: the call was not made
      throw group.decline(Operation.FORWARD, e);
    }
    FlightEvents.end(event, group);
    NativeCalls.check(status);
    statistics.read(group.statistics());
    Reachability.keep(group);
    Reachability.keep(q);
    Reachability.keep(k);
    Reachability.keep(v);
    Reachability.keep(mask);
    Reachability.keep(o);
    Reachability.keep(lse);
  }

  /**
   * Computes the gradients of queries, keys and values into new tensors on the group's device.
   *
   * @param group the group that forward was computed in, or a like one
   * @param forward the result of forward; what it was computed from must be open and unchanged
   * @param dO gradient of the output: its shape and dtype
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, or if
   *     forward was computed by attention with another configuration
   * @throws IllegalStateException if a tensor or the group was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called something else
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public AttentionGradients backward(Group group, AttentionForward forward, Tensor dO) {
    return backward(group, forward, dO, false);
  }

  /**
   * As {@link #backward(Group, AttentionForward, Tensor)}, and the gradient of the bias as well.
   *
   * @param group the group that forward was computed in, or a like one
   * @param forward the result of forward with a mask that has a bias
   * @param dO gradient of the output: its shape and dtype
   * @throws IllegalArgumentException also if forward was computed without a bias
   */
  public AttentionGradients backwardWithBias(Group group, AttentionForward forward, Tensor dO) {
    return backward(group, forward, dO, true);
  }

  private AttentionGradients backward(
      Group group, AttentionForward forward, Tensor dO, boolean withBias) {
    Arguments.present(group, "group").requireUsable();
    AttentionGradients gradients;
    try {
      Arguments.present(dO, "dO");
      gradients = newGradients(Arguments.present(forward, "forward"), withBias);
    } catch (RuntimeException e) {
      throw group.decline(Operation.BACKWARD, e);
    }
    try {
      backwardInto(
          group,
          forward.query(),
          forward.key(),
          forward.value(),
          forward.mask(),
          forward.output(),
          forward.logSumExpWithTerms(),
          dO,
          gradients.query(),
          gradients.key(),
          gradients.value(),
          gradients.bias(),
          gradients.statistics());
      return gradients;
    } catch (RuntimeException e) {
      Tensors.closeAfter(
          e, gradients.query(), gradients.key(), gradients.value(), gradients.bias());
      throw e;
    }
  }

  /** Gradients that are not computed yet. */
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
      dq = Tensors.like(forward.query());
      dk = Tensors.like(forward.key());
      dv = Tensors.like(forward.value());
      Tensor dBias = withBias && bias != null ? Tensors.like(bias) : null;
      return new AttentionGradients(dq, dk, dv, dBias, Statistics.create());
    } catch (RuntimeException e) {
      Tensors.closeAfter(e, dq, dk, dv);
      throw e;
    }
  }

  /**
   * Computes gradients into tensors of the caller, from the final output and log-sum-exp. Allocates
   * nothing on the heap once the JVM has warmed up.
   *
   * <p>Method: Dao et al., arXiv 2205.14135; probabilities are recomputed from lse, delta =
   * rowsum(dO * o) once at home.
   *
   * @param group this rank's part in the group
   * @param q {@code [batch, queries, heads, headDim]}, as in forward
   * @param k {@code [batch, keys, keyValueHeads, headDim]}, as in forward
   * @param v as k
   * @param mask as in forward
   * @param o output of forward
   * @param lse log-sum-exp of forward; where it is that of a larger problem, the result is the
   *     share of these keys in dq. With a bias {@code [3, batch, heads, queries]}, with its terms;
   *     {@code [batch, heads, queries]} will do while no bias is large: an entry beyond 4096 in
   *     magnitude is refused (on a GPU it is not looked at)
   * @param dO gradient of o: its shape and dtype
   * @param dq output: shape and dtype of q
   * @param dk output: shape and dtype of k
   * @param dv output: shape and dtype of v
   * @param dBias output, or null if it is not wanted: shape and dtype of the mask's bias, summed
   *     over the dimensions along which that is broadcast
   * @param statistics output
   * @throws NullPointerException if an argument other than dBias is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, an
   *     output overlaps another tensor or is read-only, or dBias is given without a bias
   * @throws IllegalStateException if a tensor or the group was closed, or the group has failed
   * @throws WrongThreadException if another thread owns the device
   * @throws GroupException if a peer left, did not answer in time, or called something else
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public void backwardInto(
      Group group,
      Tensor q,
      Tensor k,
      Tensor v,
      Mask mask,
      Tensor o,
      Tensor lse,
      Tensor dO,
      Tensor dq,
      Tensor dk,
      Tensor dv,
      @Nullable Tensor dBias,
      Statistics statistics) {
    Arguments.present(group, "group").requireUsable();
    OperationEvent event;
    int status;
    try {
      Arguments.present(mask, "mask");
      Arguments.present(statistics, "statistics");
      requireShapes(q, k, v);
      Device device = group.device();
      Strategy chosen =
          strategy == Strategy.AUTO
              ? group.automatic().choose(this, q, k, mask, Pass.BACKWARD, dBias != null)
              : strategy;
      event = FlightEvents.begin(group);
      status =
          Lvx.lvx_attention_backward(
              group.handle(),
              group.options(scale, chosen),
              Arguments.input(q, device, "q"),
              Arguments.input(k, device, "k"),
              Arguments.input(v, device, "v"),
              Arguments.optionalInput(mask.visibility(), device, "visibility"),
              Arguments.optionalInput(mask.bias(), device, "bias"),
              Arguments.input(o, device, "o"),
              Arguments.input(lse, device, "lse"),
              Arguments.input(dO, device, "dO"),
              Arguments.output(dq, device, "dq"),
              Arguments.output(dk, device, "dk"),
              Arguments.output(dv, device, "dv"),
              Arguments.optionalOutput(dBias, device, "dBias"),
              group.statistics());
    } catch (RuntimeException e) { // native code never throws: the call was not made
      throw group.decline(Operation.BACKWARD, e);
    }
    FlightEvents.end(event, group);
    NativeCalls.check(status);
    statistics.read(group.statistics());
    Reachability.keep(group);
    Reachability.keep(q);
    Reachability.keep(k);
    Reachability.keep(v);
    Reachability.keep(mask);
    Reachability.keep(o);
    Reachability.keep(lse);
    Reachability.keep(dO);
    Reachability.keep(dq);
    Reachability.keep(dk);
    Reachability.keep(dv);
    Reachability.keep(dBias);
  }

  /** What the native side cannot know: the heads this was built for. It checks everything else. */
  private void requireShapes(Tensor q, Tensor k, Tensor v) {
    requireShape(Arguments.present(q, "q"), "q", heads);
    requireShape(Arguments.present(k, "k"), "k", keyValueHeads);
    requireShape(Arguments.present(v, "v"), "v", keyValueHeads);
  }

  /** For results that are made after the queries. */
  void requireQuery(Tensor q) {
    Arguments.present(q, "q").requireUsable("q");
    requireShape(q, "q", heads);
    Arguments.require(
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

  static void requireHeadDim(int headDim) {
    Arguments.require(
        headDim >= HEAD_DIM_UNIT && headDim <= MAX_HEAD_DIM && headDim % HEAD_DIM_UNIT == 0,
        "headDim is " + headDim + "; a multiple of 8 from 8 to 256 was expected");
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
      Arguments.require(heads > 0, "heads is " + heads + "; 1 or more was expected");
      this.heads = heads;
      return this;
    }

    /**
     * Number of key and value heads, a divisor of the query heads; as many as those if not set.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public Builder keyValueHeads(int keyValueHeads) {
      Arguments.require(
          keyValueHeads > 0, "keyValueHeads is " + keyValueHeads + "; 1 or more was expected");
      this.keyValueHeads = keyValueHeads;
      return this;
    }

    /**
     * Elements of one head; must be set.
     *
     * @throws IllegalArgumentException if it is no multiple of 8 from 8 to 256
     */
    public Builder headDim(int headDim) {
      requireHeadDim(headDim);
      this.headDim = headDim;
      return this;
    }

    /**
     * What multiplies the logits; headDim<sup>-1/2</sup> if not set.
     *
     * @throws IllegalArgumentException if it is not finite
     */
    public Builder scale(double scale) {
      Arguments.require(
          Double.isFinite(scale), "scale is " + scale + "; a finite number was expected");
      this.scale = scale;
      return this;
    }

    /**
     * What moves between the ranks; {@link Strategy#QUERY_RING} if not set.
     *
     * @throws NullPointerException if strategy is null
     */
    public Builder strategy(Strategy strategy) {
      this.strategy = Arguments.present(strategy, "strategy");
      return this;
    }

    /**
     * The attention that was described.
     *
     * @throws IllegalStateException if heads or headDim was not set
     * @throws IllegalArgumentException if heads is no multiple of keyValueHeads
     */
    public CrossAttention build() {
      if (heads == 0 || headDim == 0) {
        throw new IllegalStateException((heads == 0 ? "heads" : "headDim") + " was not set");
      }
      int keyHeads = keyValueHeads == 0 ? heads : keyValueHeads;
      Arguments.require(
          heads % keyHeads == 0,
          "keyValueHeads is " + keyHeads + "; a divisor of heads, " + heads + ", was expected");
      double factor = Double.isNaN(scale) ? 1 / Math.sqrt(headDim) : scale;
      return new CrossAttention(heads, keyHeads, headDim, factor, strategy);
    }
  }
}
