// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;

/**
 * The oracle that everything else is judged by: textbook attention in float64 on one thread,
 * without blocks or ranks. Slow on purpose. All tensors are float64 (visibility: int32) on one CPU
 * device, unsharded.
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
   * @param mask what the queries see
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
    Device device = Arguments.present(q, "q").device();
    Arguments.present(mask, "mask");
    NativeCalls.check(
        Lvx.lvx_reference_forward(
            scale,
            Arguments.input(q, device, "q"),
            Arguments.input(k, device, "k"),
            Arguments.input(v, device, "v"),
            Arguments.optionalInput(mask.visibility(), device, "visibility"),
            Arguments.optionalInput(mask.bias(), device, "bias"),
            Arguments.output(o, device, "o"),
            Arguments.output(lse, device, "lse")));
    Reachability.keep(q);
    Reachability.keep(k);
    Reachability.keep(v);
    Reachability.keep(mask);
    Reachability.keep(o);
    Reachability.keep(lse);
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
   * @param lse log-sum-exp of forward, exact with any bias also without its terms
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
    Device device = Arguments.present(q, "q").device();
    Arguments.present(mask, "mask");
    NativeCalls.check(
        Lvx.lvx_reference_backward(
            scale,
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
            Arguments.optionalOutput(dBias, device, "dBias")));
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
}
