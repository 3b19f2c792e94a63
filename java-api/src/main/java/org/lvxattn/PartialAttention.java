// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.Reachability;

/**
 * The building blocks of distributed attention, for callers that move data themselves. A partial
 * result is (o, lse) of all queries over some of the keys, o normalised; the identity is (0,
 * -infinity).
 */
public final class PartialAttention {
  /** The log-sum-exp, the largest bias of the keys that each query sees, and the remainder. */
  private static final int TERMS = 3;

  private PartialAttention() {}

  /**
   * Allocates a tensor for the log-sum-exp of a call, in the accumulator's dtype: {@code [batch,
   * heads, queries]}, or with its two terms {@code [3, batch, heads, queries]} if the mask has a
   * bias.
   *
   * @param device where to allocate
   * @param q {@code [batch, queries, heads, headDim]}
   * @param mask which keys each query sees, and the bias
   * @throws NullPointerException if an argument is null
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public static Tensor allocateLogSumExp(Device device, Tensor q, Mask mask) {
    DType dtype = Preconditions.present(q, "q").dtype().accumulator();
    long batch = q.dimension(0);
    long queries = q.dimension(1);
    long heads = q.dimension(2);
    return Preconditions.present(mask, "mask").bias() == null
        ? Tensor.allocate(device, dtype, batch, heads, queries)
        : Tensor.allocate(device, dtype, TERMS, batch, heads, queries);
  }

  /**
   * A view of a log-sum-exp without its terms, or the tensor itself if it has none.
   *
   * @param lse {@code [batch, heads, queries]} or {@code [3, batch, heads, queries]}
   * @throws NullPointerException if lse is null
   * @throws IllegalStateException if it was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static Tensor logSumExp(Tensor lse) {
    return Preconditions.present(lse, "lse").rank() == TERMS
        ? lse
        : lse.slice(0, 0, 1).reshape(lse.dimension(1), lse.dimension(2), lse.dimension(3));
  }

  /**
   * Merges a partial result into another over the same queries and disjoint keys: with m = max(l1,
   * l2), w1 = exp(l1 - m), w2 = exp(l2 - m), lse becomes m + log(w1 + w2) and o becomes (w1 o1 + w2
   * o2) / (w1 + w2). Computed in float32 (float64 where both are float64).
   *
   * <p>With a bias, both lse should have their terms (see {@link AttentionOutputs}). Without the
   * terms, rounding of a large bias makes the weights of the parts inaccurate.
   *
   * @param device where all tensors are
   * @param oPart {@code [batch, queries, heads, headDim]}, any floating-point dtype
   * @param lsePart {@code [batch, heads, queries]} or, with its terms, {@code [3, batch, heads,
   *     queries]}, float32 (float64 for float64)
   * @param o output and input: shape of oPart
   * @param lse output and input: {@code [batch, heads, queries]}, or with its terms, which it must
   *     have if lsePart has them; -infinity, terms included, for rows without a key so far
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, or
   *     tensors overlap
   * @throws IllegalStateException if something was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static void merge(Device device, Tensor oPart, Tensor lsePart, Tensor o, Tensor lse) {
    Preconditions.present(device, "device").requireUsable("device");
    NativeCalls.check(
        Lvx.lvx_attention_merge(
            device.handle(),
            Internals.input(oPart, device, "oPart"),
            Internals.input(lsePart, device, "lsePart"),
            Internals.output(o, device, "o"),
            Internals.output(lse, device, "lse")));
    Reachability.keep(oPart, lsePart, o, lse);
  }

  /**
   * Computes delta = rowsum(dO * o) of each query, which backward needs.
   *
   * @param device where all tensors are
   * @param o {@code [batch, queries, heads, headDim]}
   * @param dO gradient of o: its shape and dtype
   * @param delta output: {@code [batch, heads, queries]}, float32 (float64 for float64)
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, or
   *     delta overlaps another tensor
   * @throws IllegalStateException if something was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static void delta(Device device, Tensor o, Tensor dO, Tensor delta) {
    Preconditions.present(device, "device").requireUsable("device");
    NativeCalls.check(
        Lvx.lvx_attention_delta(
            device.handle(),
            Internals.input(o, device, "o"),
            Internals.input(dO, device, "dO"),
            Internals.output(delta, device, "delta")));
    Reachability.keep(o, dO, delta);
  }
}
