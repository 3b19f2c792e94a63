// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.Reachability;

/**
 * The oracle with which all results are compared: textbook attention in float64 on one thread,
 * without blocks or ranks. It is slow by design. All tensors are float64 (visibility: int32) on one
 * CPU device, unsharded.
 */
public final class ReferenceAttention {
  private ReferenceAttention() {}

  /**
   * Computes {@code o = softmax(scale q k^T + bias) v} over the keys that each query sees.
   *
   * @param scale finite; multiplies the logits
   * @param q {@code [batch, queries, heads, headDim]}
   * @param k {@code [batch, keys, keyValueHeads, headDim]}
   * @param v as k
   * @param mask which keys each query sees, and the bias
   * @param o output: shape of q
   * @param lse output: {@code [batch, heads, queries]}, or with its terms (see {@link
   *     CrossAttention#forwardInto})
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if scale, or a tensor's dtype, shape, stride or device is
   *     wrong, or an output overlaps another tensor or is read-only
   * @throws IllegalStateException if something was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static void forward(
      double scale, Tensor q, Tensor k, Tensor v, Mask mask, Tensor o, Tensor lse) {
    Device device = Preconditions.present(q, "q").device();
    Preconditions.present(mask, "mask");
    NativeCalls.check(
        Lvx.lvx_reference_forward(
            scale,
            Internals.input(q, device, "q"),
            Internals.input(k, device, "k"),
            Internals.input(v, device, "v"),
            Internals.optionalInput(mask.visibility(), device, "visibility"),
            Internals.optionalInput(mask.bias(), device, "bias"),
            Internals.output(o, device, "o"),
            Internals.output(lse, device, "lse")));
    Reachability.keep(q, k, v, mask);
    Reachability.keep(o, lse);
  }

  /**
   * Computes the gradients of {@link #forward} from its output.
   *
   * @param scale as in forward
   * @param q as in forward
   * @param k as in forward
   * @param v as in forward
   * @param mask as in forward
   * @param o output of forward
   * @param lse log-sum-exp of forward; its terms are not needed, however large the bias
   * @param dO gradient of o: its shape
   * @param dq output: shape of q
   * @param dk output: shape of k
   * @param dv output: shape of v
   * @param dBias output, or null if it is not wanted: shape of the mask's bias
   * @throws NullPointerException if an argument other than dBias is null
   * @throws IllegalArgumentException if scale, or a tensor's dtype, shape, stride or device is
   *     wrong, an output overlaps another tensor or is read-only, or dBias is given without a bias
   * @throws IllegalStateException if something was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static void backward(
      double scale,
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
      @Nullable Tensor dBias) {
    Device device = Preconditions.present(q, "q").device();
    Preconditions.present(mask, "mask");
    NativeCalls.check(
        Lvx.lvx_reference_backward(
            scale,
            Internals.input(q, device, "q"),
            Internals.input(k, device, "k"),
            Internals.input(v, device, "v"),
            Internals.optionalInput(mask.visibility(), device, "visibility"),
            Internals.optionalInput(mask.bias(), device, "bias"),
            Internals.input(o, device, "o"),
            Internals.input(lse, device, "lse"),
            Internals.input(dO, device, "dO"),
            Internals.output(dq, device, "dq"),
            Internals.output(dk, device, "dk"),
            Internals.output(dv, device, "dv"),
            Internals.optionalOutput(dBias, device, "dBias")));
    Reachability.keep(q, k, v, mask);
    Reachability.keep(o, lse, dO, dq);
    Reachability.keep(dk, dv, dBias);
  }
}
