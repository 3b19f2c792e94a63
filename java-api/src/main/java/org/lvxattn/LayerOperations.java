// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;

/**
 * What layers do beside attention, on the device of their tensors. Calls return when they are done
 * and allocate nothing on the heap.
 *
 * <p>Rows are {@code [batch, rows, width]} of one floating-point dtype, with any strides and a
 * contiguous last dimension; they are computed in float32 (float64 for float64). Parameters have
 * their dtype or its {@linkplain DType#accumulator() accumulator}; gradients of parameters have the
 * accumulator and are <em>added to</em>. Every other output is overwritten unless a flag says that
 * it is added to. An output may be the very tensor that it is computed from where this is said, and
 * must not share memory with another tensor otherwise. {@code live} is int32 {@code [batch, rows]}:
 * rows with 0 are left out as described, and what they hold, NaN included, does not matter; null
 * stands for all rows. Sums have a fixed order: the same call gives the same bits.
 *
 * <p>All methods throw {@link NullPointerException} for a missing tensor, {@link
 * IllegalArgumentException} for one of a wrong dtype, shape, stride or device, for an output that
 * is read-only or shares memory with another tensor, and for a number out of range, {@link
 * IllegalStateException} if something was closed, {@link WrongThreadException} if another thread
 * owns the device, and {@link OutOfDeviceMemoryException} if half precision cannot be converted for
 * lack of memory. Wrong arguments leave all outputs untouched.
 */
public final class LayerOperations {
  private LayerOperations() {}

  /**
   * A linear map: {@code y = x w^T + b}.
   *
   * @param x {@code [batch, rows, in]}
   * @param w {@code [out, in]}
   * @param b {@code [out]}, or null for none
   * @param y output: {@code [batch, rows, out]}, dtype of x
   */
  public static void linear(Tensor x, Tensor w, @Nullable Tensor b, Tensor y) {
    Device device = deviceOf(x, "x");
    MemorySegment xs = Arguments.input(x, device, "x");
    MemorySegment ws = Arguments.input(w, device, "w");
    MemorySegment bs = Arguments.optionalInput(b, device, "b");
    MemorySegment ys = Arguments.output(y, device, "y");
    NativeCalls.check(Lvx.lvx_linear_forward(device.handle(), xs, ws, bs, ys));
    Reachability.keep(x);
    Reachability.keep(w);
    Reachability.keep(b);
    Reachability.keep(y);
  }

  /**
   * Gradients of {@link #linear}: {@code dx = dy w}, {@code dw += dy^T x}, {@code db += sum(dy)}
   * over all rows.
   *
   * @param x as in linear; may be null where dw is
   * @param w as in linear
   * @param dy gradient of y: {@code [batch, rows, out]}
   * @param dx output, or null if it is not wanted: like x
   * @param addDx whether dx is added to
   * @param dw added to, or null: {@code [out, in]}, float32 (float64 for float64)
   * @param db added to, or null: {@code [out]}, float32 (float64 for float64)
   */
  public static void linearBackward(
      @Nullable Tensor x,
      Tensor w,
      Tensor dy,
      @Nullable Tensor dx,
      boolean addDx,
      @Nullable Tensor dw,
      @Nullable Tensor db) {
    Device device = deviceOf(dy, "dy");
    MemorySegment xs = Arguments.optionalInput(x, device, "x");
    MemorySegment ws = Arguments.input(w, device, "w");
    MemorySegment dys = Arguments.input(dy, device, "dy");
    MemorySegment dxs = Arguments.optionalOutput(dx, device, "dx");
    MemorySegment dws = Arguments.optionalOutput(dw, device, "dw");
    MemorySegment dbs = Arguments.optionalOutput(db, device, "db");
    if (dw != null) {
      Arguments.present(x, "x");
    }
    NativeCalls.check(
        Lvx.lvx_linear_backward(device.handle(), xs, ws, dys, dxs, flag(addDx), dws, dbs));
    Reachability.keep(x);
    Reachability.keep(w);
    Reachability.keep(dy);
    Reachability.keep(dx);
    Reachability.keep(dw);
    Reachability.keep(db);
  }

  /**
   * Normalises the last dimension.
   *
   * @param norm {@link Norm#RMS} or {@link Norm#LAYER}
   * @param epsilon added below the root, 0 or more
   * @param x {@code [batch, rows, width]} or {@code [batch, rows, heads, width]}
   * @param weight {@code [width]}
   * @param bias {@code [width]}, or null for none; null for RMS
   * @param y output: like x; may be x
   */
  public static void norm(
      Norm norm, double epsilon, Tensor x, Tensor weight, @Nullable Tensor bias, Tensor y) {
    Arguments.present(norm, "norm");
    Device device = deviceOf(x, "x");
    MemorySegment xs = Arguments.input(x, device, "x");
    MemorySegment weights = Arguments.input(weight, device, "weight");
    MemorySegment biases = Arguments.optionalInput(bias, device, "bias");
    MemorySegment ys = Arguments.output(y, device, "y");
    NativeCalls.check(
        Lvx.lvx_norm_forward(device.handle(), norm.code(), epsilon, xs, weights, biases, ys));
    Reachability.keep(x);
    Reachability.keep(weight);
    Reachability.keep(bias);
    Reachability.keep(y);
  }

  /**
   * Gradients of {@link #norm}.
   *
   * @param norm as in norm
   * @param epsilon as in norm
   * @param x what norm read
   * @param weight as in norm
   * @param dy gradient of y: like x
   * @param dx output, or null if it is not wanted: like x; may be dy unless it is added to
   * @param addDx whether dx is added to
   * @param dWeight added to, or null: {@code [width]}, float32 (float64 for float64)
   * @param dBias added to, or null: {@code [width]}, float32 (float64 for float64); null for RMS
   */
  public static void normBackward(
      Norm norm,
      double epsilon,
      Tensor x,
      Tensor weight,
      Tensor dy,
      @Nullable Tensor dx,
      boolean addDx,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {
    Arguments.present(norm, "norm");
    Device device = deviceOf(x, "x");
    MemorySegment xs = Arguments.input(x, device, "x");
    MemorySegment weights = Arguments.input(weight, device, "weight");
    MemorySegment dys = Arguments.input(dy, device, "dy");
    MemorySegment dxs = Arguments.optionalOutput(dx, device, "dx");
    MemorySegment dWeights = Arguments.optionalOutput(dWeight, device, "dWeight");
    MemorySegment dBiases = Arguments.optionalOutput(dBias, device, "dBias");
    NativeCalls.check(
        Lvx.lvx_norm_backward(
            device.handle(),
            norm.code(),
            epsilon,
            xs,
            weights,
            dys,
            dxs,
            flag(addDx),
            dWeights,
            dBiases));
    Reachability.keep(x);
    Reachability.keep(weight);
    Reachability.keep(dy);
    Reachability.keep(dx);
    Reachability.keep(dWeight);
    Reachability.keep(dBias);
  }

  /**
   * Rotary embedding (<a href="https://arxiv.org/abs/2104.09864">arXiv 2104.09864</a>): turns the
   * pairs {@code (i, i + headDim / 2)} of each head by {@code position * theta^(-2 i / headDim)}.
   *
   * @param theta base of the frequencies, above 0
   * @param inverse whether by the negative angle, which is also the gradient
   * @param x {@code [batch, rows, heads, headDim]}, headDim even and at most 256
   * @param positions int32 {@code [batch, rows]}
   * @param y output: like x; may be x
   */
  public static void rotary(double theta, boolean inverse, Tensor x, Tensor positions, Tensor y) {
    Device device = deviceOf(x, "x");
    MemorySegment xs = Arguments.input(x, device, "x");
    MemorySegment places = Arguments.input(positions, device, "positions");
    MemorySegment ys = Arguments.output(y, device, "y");
    NativeCalls.check(Lvx.lvx_rotary(device.handle(), theta, flag(inverse), xs, places, ys));
    Reachability.keep(x);
    Reachability.keep(positions);
    Reachability.keep(y);
  }

  /**
   * SwiGLU (<a href="https://arxiv.org/abs/2002.05202">arXiv 2002.05202</a>): {@code y = gate *
   * sigmoid(gate) * up}.
   *
   * @param gate {@code [batch, rows, width]}
   * @param up like gate
   * @param y output: like gate; may be gate or up
   */
  public static void swiglu(Tensor gate, Tensor up, Tensor y) {
    Device device = deviceOf(gate, "gate");
    MemorySegment gates = Arguments.input(gate, device, "gate");
    MemorySegment ups = Arguments.input(up, device, "up");
    MemorySegment ys = Arguments.output(y, device, "y");
    NativeCalls.check(Lvx.lvx_swiglu_forward(device.handle(), gates, ups, ys));
    Reachability.keep(gate);
    Reachability.keep(up);
    Reachability.keep(y);
  }

  /**
   * Gradients of {@link #swiglu}.
   *
   * @param gate what swiglu read
   * @param up what swiglu read
   * @param dy gradient of y: like gate
   * @param dGate output: like gate; may be gate
   * @param dUp output: like gate; may be up
   */
  public static void swigluBackward(Tensor gate, Tensor up, Tensor dy, Tensor dGate, Tensor dUp) {
    Device device = deviceOf(gate, "gate");
    MemorySegment gates = Arguments.input(gate, device, "gate");
    MemorySegment ups = Arguments.input(up, device, "up");
    MemorySegment dys = Arguments.input(dy, device, "dy");
    MemorySegment dGates = Arguments.output(dGate, device, "dGate");
    MemorySegment dUps = Arguments.output(dUp, device, "dUp");
    NativeCalls.check(Lvx.lvx_swiglu_backward(device.handle(), gates, ups, dys, dGates, dUps));
    Reachability.keep(gate);
    Reachability.keep(up);
    Reachability.keep(dy);
    Reachability.keep(dGate);
    Reachability.keep(dUp);
  }

  /**
   * GELU (<a href="https://arxiv.org/abs/1606.08415">arXiv 1606.08415</a>) by the error function:
   * {@code y = x Phi(x)}.
   *
   * @param x {@code [batch, rows, width]}
   * @param y output: like x; may be x
   */
  public static void gelu(Tensor x, Tensor y) {
    Device device = deviceOf(x, "x");
    MemorySegment xs = Arguments.input(x, device, "x");
    MemorySegment ys = Arguments.output(y, device, "y");
    NativeCalls.check(Lvx.lvx_gelu_forward(device.handle(), xs, ys));
    Reachability.keep(x);
    Reachability.keep(y);
  }

  /**
   * Gradient of {@link #gelu}.
   *
   * @param x what gelu read
   * @param dy gradient of y: like x
   * @param dx output: like x; may be x or dy
   */
  public static void geluBackward(Tensor x, Tensor dy, Tensor dx) {
    Device device = deviceOf(x, "x");
    MemorySegment xs = Arguments.input(x, device, "x");
    MemorySegment dys = Arguments.input(dy, device, "dy");
    MemorySegment dxs = Arguments.output(dx, device, "dx");
    NativeCalls.check(Lvx.lvx_gelu_backward(device.handle(), xs, dys, dxs));
    Reachability.keep(x);
    Reachability.keep(dy);
    Reachability.keep(dx);
  }

  /**
   * Joins a branch: {@code y = x + tanh(gate) branch} in live rows, {@code y = x} in others.
   *
   * @param x {@code [batch, rows, width]}
   * @param branch like x
   * @param gate {@code [1]}, or null for the factor 1
   * @param live int32 {@code [batch, rows]}, or null
   * @param y output: like x; may be x or branch
   */
  public static void gatedAdd(
      Tensor x, Tensor branch, @Nullable Tensor gate, @Nullable Tensor live, Tensor y) {
    Device device = deviceOf(x, "x");
    MemorySegment xs = Arguments.input(x, device, "x");
    MemorySegment branches = Arguments.input(branch, device, "branch");
    MemorySegment gates = Arguments.optionalInput(gate, device, "gate");
    MemorySegment lives = Arguments.optionalInput(live, device, "live");
    MemorySegment ys = Arguments.output(y, device, "y");
    NativeCalls.check(Lvx.lvx_gated_add_forward(device.handle(), xs, branches, gates, lives, ys));
    Reachability.keep(x);
    Reachability.keep(branch);
    Reachability.keep(gate);
    Reachability.keep(live);
    Reachability.keep(y);
  }

  /**
   * Gradients of {@link #gatedAdd}; that of x is dy itself.
   *
   * @param branch what gatedAdd read; may be null where dGate is
   * @param gate as in gatedAdd
   * @param live as in gatedAdd
   * @param dy gradient of y: {@code [batch, rows, width]}
   * @param dBranch output: like dy; 0 in rows that are not live; may be branch
   * @param dGate added to, or null: {@code [1]}, float32 (float64 for float64); null where gate is
   */
  public static void gatedAddBackward(
      @Nullable Tensor branch,
      @Nullable Tensor gate,
      @Nullable Tensor live,
      Tensor dy,
      Tensor dBranch,
      @Nullable Tensor dGate) {
    Device device = deviceOf(dy, "dy");
    MemorySegment branches = Arguments.optionalInput(branch, device, "branch");
    MemorySegment gates = Arguments.optionalInput(gate, device, "gate");
    MemorySegment lives = Arguments.optionalInput(live, device, "live");
    MemorySegment dys = Arguments.input(dy, device, "dy");
    MemorySegment dBranches = Arguments.output(dBranch, device, "dBranch");
    MemorySegment dGates = Arguments.optionalOutput(dGate, device, "dGate");
    if (dGate != null) {
      Arguments.present(branch, "branch");
      Arguments.present(gate, "gate");
    }
    NativeCalls.check(
        Lvx.lvx_gated_add_backward(
            device.handle(), branches, gates, lives, dys, dBranches, dGates));
    Reachability.keep(branch);
    Reachability.keep(gate);
    Reachability.keep(live);
    Reachability.keep(dy);
    Reachability.keep(dBranch);
    Reachability.keep(dGate);
  }

  /**
   * Blends column by column: {@code y = (1 - sigmoid(gate)) a + sigmoid(gate) b} in live rows,
   * {@code y = a} in others.
   *
   * @param a {@code [batch, rows, width]}
   * @param b like a
   * @param gate {@code [width]}
   * @param live int32 {@code [batch, rows]}, or null
   * @param y output: like a; may be a or b
   */
  public static void blend(Tensor a, Tensor b, Tensor gate, @Nullable Tensor live, Tensor y) {
    Device device = deviceOf(a, "a");
    MemorySegment as = Arguments.input(a, device, "a");
    MemorySegment bs = Arguments.input(b, device, "b");
    MemorySegment gates = Arguments.input(gate, device, "gate");
    MemorySegment lives = Arguments.optionalInput(live, device, "live");
    MemorySegment ys = Arguments.output(y, device, "y");
    NativeCalls.check(Lvx.lvx_blend_forward(device.handle(), as, bs, gates, lives, ys));
    Reachability.keep(a);
    Reachability.keep(b);
    Reachability.keep(gate);
    Reachability.keep(live);
    Reachability.keep(y);
  }

  /**
   * Gradients of {@link #blend}.
   *
   * @param a what blend read
   * @param b what blend read
   * @param gate as in blend
   * @param live as in blend
   * @param dy gradient of y: like a
   * @param da output: like a; dy in rows that are not live; may be a
   * @param db output: like a; 0 in rows that are not live; may be b
   * @param dGate added to, or null: {@code [width]}, float32 (float64 for float64)
   */
  public static void blendBackward(
      Tensor a,
      Tensor b,
      Tensor gate,
      @Nullable Tensor live,
      Tensor dy,
      Tensor da,
      Tensor db,
      @Nullable Tensor dGate) {
    Device device = deviceOf(a, "a");
    MemorySegment as = Arguments.input(a, device, "a");
    MemorySegment bs = Arguments.input(b, device, "b");
    MemorySegment gates = Arguments.input(gate, device, "gate");
    MemorySegment lives = Arguments.optionalInput(live, device, "live");
    MemorySegment dys = Arguments.input(dy, device, "dy");
    MemorySegment das = Arguments.output(da, device, "da");
    MemorySegment dbs = Arguments.output(db, device, "db");
    MemorySegment dGates = Arguments.optionalOutput(dGate, device, "dGate");
    NativeCalls.check(
        Lvx.lvx_blend_backward(device.handle(), as, bs, gates, lives, dys, das, dbs, dGates));
    Reachability.keep(a);
    Reachability.keep(b);
    Reachability.keep(gate);
    Reachability.keep(live);
    Reachability.keep(dy);
    Reachability.keep(da);
    Reachability.keep(db);
    Reachability.keep(dGate);
  }

  /**
   * {@code y += x}.
   *
   * @param x {@code [batch, rows, width]}
   * @param y input and output: shape of x, in its dtype or the accumulator of that
   */
  public static void add(Tensor x, Tensor y) {
    Device device = deviceOf(x, "x");
    MemorySegment xs = Arguments.input(x, device, "x");
    MemorySegment ys = Arguments.output(y, device, "y");
    NativeCalls.check(Lvx.lvx_add(device.handle(), xs, ys));
    Reachability.keep(x);
    Reachability.keep(y);
  }

  /**
   * Fills the rows that are not live with zeros.
   *
   * @param live int32 {@code [batch, rows]}
   * @param x input and output: {@code [batch, rows, width]}
   */
  public static void clearRows(Tensor live, Tensor x) {
    Device device = deviceOf(x, "x");
    MemorySegment lives = Arguments.input(live, device, "live");
    MemorySegment xs = Arguments.output(x, device, "x");
    NativeCalls.check(Lvx.lvx_clear_rows(device.handle(), lives, xs));
    Reachability.keep(live);
    Reachability.keep(x);
  }

  private static Device deviceOf(@Nullable Tensor tensor, String name) {
    return Arguments.present(tensor, name).device();
  }

  private static int flag(boolean value) {
    return value ? 1 : 0;
  }
}
