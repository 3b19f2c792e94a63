// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import org.lvxattn.bindings.generated.Lvx;

/**
 * The pieces that distributed attention is made of, for those who move data themselves. A partial
 * result is (o, lse) of all queries over some of the keys, o normalised; the identity is (0,
 * -infinity).
 */
public final class PartialAttention {
  private PartialAttention() {}

  /**
   * Merges a partial result into another over the same queries and disjoint keys: with m = max(l1,
   * l2), w1 = exp(l1 - m), w2 = exp(l2 - m), lse becomes m + log(w1 + w2) and o becomes (w1 o1 + w2
   * o2) / (w1 + w2). Computed in float32 (float64 where both are float64).
   *
   * <p>Where there is a bias, both lse should have their terms, as {@link
   * CrossAttention#forwardInto} describes: a large bias rounds off what weighs the parts in lse
   * alone.
   *
   * @param device where all tensors are
   * @param oPart {@code [batch, queries, heads, headDim]}, any floating-point dtype
   * @param lsePart {@code [batch, heads, queries]} or, with its terms, {@code [3, batch, heads,
   *     queries]}, float32 (float64 for float64)
   * @param o output and input: shape of oPart
   * @param lse output and input: {@code [batch, heads, queries]}, or with its terms, as it must be
   *     where lsePart is; empty where it and its terms are -infinity
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a tensor has a wrong dtype, shape, stride or device, or
   *     tensors overlap
   * @throws IllegalStateException if something was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static void merge(Device device, Tensor oPart, Tensor lsePart, Tensor o, Tensor lse) {
    Arguments.present(device, "device").requireUsable("device");
    MemorySegment oParts = Arguments.input(oPart, device, "oPart");
    MemorySegment lseParts = Arguments.input(lsePart, device, "lsePart");
    MemorySegment os = Arguments.output(o, device, "o");
    MemorySegment lses = Arguments.output(lse, device, "lse");
    NativeCalls.check(Lvx.lvx_attention_merge(device.handle(), oParts, lseParts, os, lses));
    Reachability.keep(oPart);
    Reachability.keep(lsePart);
    Reachability.keep(o);
    Reachability.keep(lse);
  }

  /**
   * Computes delta = rowsum(dO * o), which backward needs of each query.
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
    Arguments.present(device, "device").requireUsable("device");
    MemorySegment os = Arguments.input(o, device, "o");
    MemorySegment dOs = Arguments.input(dO, device, "dO");
    MemorySegment deltas = Arguments.output(delta, device, "delta");
    NativeCalls.check(Lvx.lvx_attention_delta(device.handle(), os, dOs, deltas));
    Reachability.keep(o);
    Reachability.keep(dO);
    Reachability.keep(delta);
  }
}
