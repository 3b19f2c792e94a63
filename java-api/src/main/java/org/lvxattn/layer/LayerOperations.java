// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.layer;

import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.handle.Handles;
import org.lvxattn.internal.memory.Reachability;

/**
 * Layer operations other than attention, on the device of their tensors. Calls allocate nothing on
 * the heap.
 *
 * <p>Rows are {@code [batch, rows, width]} of one floating-point dtype, with any strides and a
 * contiguous last dimension. Computations are in float32 (float64 for float64). Parameters have the
 * rows' dtype or its {@linkplain org.lvxattn.DType#accumulator() accumulator}. Gradients of
 * parameters have the accumulator's dtype and are <em>accumulated</em>. Every other output is
 * overwritten, unless a flag says that it is accumulated. Where stated, an operation works
 * in-place: an output may be the same tensor as an input. Otherwise an output must not share memory
 * with another tensor. {@code live} is int32 {@code [batch, rows]}: rows with 0 are skipped as
 * described, and may have any value, NaN included; null means that all rows are live. Sums have a
 * fixed order, so the same call gives the same bits.
 *
 * <p>All methods throw {@link NullPointerException} if a required tensor is null, {@link
 * IllegalStateException} if something was closed, and {@link WrongThreadException} if another
 * thread owns the device. They throw {@link IllegalArgumentException} if a tensor has a wrong
 * dtype, shape, stride or device, if an output is read-only or shares memory with another tensor,
 * or if a number is out of range. They throw {@link org.lvxattn.OutOfDeviceMemoryException} if
 * there is no memory to convert half precision. If an argument is wrong, all outputs stay
 * unchanged.
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
    NativeCalls.check(
        Lvx.lvx_linear_forward(
            Handles.handle(device),
            Handles.input(x, device, "x"),
            Handles.input(w, device, "w"),
            Handles.optionalInput(b, device, "b"),
            Handles.output(y, device, "y")));
    Reachability.keep(x, w, b, y);
  }

  /**
   * Gradients of {@link #linear}: {@code dx = dy w}, {@code dw += dy^T x}, {@code db += sum(dy)}
   * over all rows.
   *
   * @param x as in linear; may be null if dw is null
   * @param w as in linear
   * @param dy gradient of y: {@code [batch, rows, out]}
   * @param dx output, or null if it is not wanted: like x
   * @param addDx whether dx is accumulated instead of overwritten
   * @param dw accumulated, or null: {@code [out, in]}, float32 (float64 for float64)
   * @param db accumulated, or null: {@code [out]}, float32 (float64 for float64)
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
    if (dw != null) {
      Preconditions.present(x, "x");
    }
    NativeCalls.check(
        Lvx.lvx_linear_backward(
            Handles.handle(device),
            Handles.optionalInput(x, device, "x"),
            Handles.input(w, device, "w"),
            Handles.input(dy, device, "dy"),
            Handles.optionalOutput(dx, device, "dx"),
            flag(addDx),
            Handles.optionalOutput(dw, device, "dw"),
            Handles.optionalOutput(db, device, "db")));
    Reachability.keep(x, w, dy, dx);
    Reachability.keep(dw, db);
  }

  /**
   * Normalises the last dimension.
   *
   * @param norm {@link Norm#RMS} or {@link Norm#LAYER}
   * @param epsilon added under the square root, 0 or more
   * @param x {@code [batch, rows, width]} or {@code [batch, rows, heads, width]}
   * @param weight {@code [width]}
   * @param bias {@code [width]}, or null for none; null for RMS
   * @param y output: like x; may be x
   */
  public static void norm(
      Norm norm, double epsilon, Tensor x, Tensor weight, @Nullable Tensor bias, Tensor y) {
    Preconditions.present(norm, "norm");
    Device device = deviceOf(x, "x");
    NativeCalls.check(
        Lvx.lvx_norm_forward(
            Handles.handle(device),
            norm.code(),
            epsilon,
            Handles.input(x, device, "x"),
            Handles.input(weight, device, "weight"),
            Handles.optionalInput(bias, device, "bias"),
            Handles.output(y, device, "y")));
    Reachability.keep(x, weight, bias, y);
  }

  /**
   * Gradients of {@link #norm}.
   *
   * @param norm as in norm
   * @param epsilon as in norm
   * @param x input of norm
   * @param weight as in norm
   * @param dy gradient of y: like x
   * @param dx output, or null if it is not wanted: like x; may be dy unless it is accumulated
   * @param addDx whether dx is accumulated instead of overwritten
   * @param dWeight accumulated, or null: {@code [width]}, float32 (float64 for float64)
   * @param dBias accumulated, or null: {@code [width]}, float32 (float64 for float64); null for RMS
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
    Preconditions.present(norm, "norm");
    Device device = deviceOf(x, "x");
    NativeCalls.check(
        Lvx.lvx_norm_backward(
            Handles.handle(device),
            norm.code(),
            epsilon,
            Handles.input(x, device, "x"),
            Handles.input(weight, device, "weight"),
            Handles.input(dy, device, "dy"),
            Handles.optionalOutput(dx, device, "dx"),
            flag(addDx),
            Handles.optionalOutput(dWeight, device, "dWeight"),
            Handles.optionalOutput(dBias, device, "dBias")));
    Reachability.keep(x, weight, dy, dx);
    Reachability.keep(dWeight, dBias);
  }

  /**
   * Rotary embedding (<a href="https://arxiv.org/abs/2104.09864">arXiv 2104.09864</a>): rotates the
   * pairs {@code (i, i + headDim / 2)} of each head by {@code position * theta^(-2 i / headDim)}.
   *
   * @param theta base of the frequencies, above 0
   * @param inverse whether to rotate by the negative angle; that is also the gradient's rotation
   * @param x {@code [batch, rows, heads, headDim]}, headDim even and at most 256
   * @param positions int32 {@code [batch, rows]}
   * @param y output: like x; may be x
   */
  public static void rotary(double theta, boolean inverse, Tensor x, Tensor positions, Tensor y) {
    Device device = deviceOf(x, "x");
    NativeCalls.check(
        Lvx.lvx_rotary(
            Handles.handle(device),
            theta,
            flag(inverse),
            Handles.input(x, device, "x"),
            Handles.input(positions, device, "positions"),
            Handles.output(y, device, "y")));
    Reachability.keep(x, positions, y);
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
    NativeCalls.check(
        Lvx.lvx_swiglu_forward(
            Handles.handle(device),
            Handles.input(gate, device, "gate"),
            Handles.input(up, device, "up"),
            Handles.output(y, device, "y")));
    Reachability.keep(gate, up, y);
  }

  /**
   * Gradients of {@link #swiglu}.
   *
   * @param gate input of swiglu
   * @param up input of swiglu
   * @param dy gradient of y: like gate
   * @param dGate output: like gate; may be gate
   * @param dUp output: like gate; may be up
   */
  public static void swigluBackward(Tensor gate, Tensor up, Tensor dy, Tensor dGate, Tensor dUp) {
    Device device = deviceOf(gate, "gate");
    NativeCalls.check(
        Lvx.lvx_swiglu_backward(
            Handles.handle(device),
            Handles.input(gate, device, "gate"),
            Handles.input(up, device, "up"),
            Handles.input(dy, device, "dy"),
            Handles.output(dGate, device, "dGate"),
            Handles.output(dUp, device, "dUp")));
    Reachability.keep(gate, up, dy, dGate);
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
    NativeCalls.check(
        Lvx.lvx_gelu_forward(
            Handles.handle(device), Handles.input(x, device, "x"), Handles.output(y, device, "y")));
    Reachability.keep(x, y);
  }

  /**
   * Gradient of {@link #gelu}.
   *
   * @param x input of gelu
   * @param dy gradient of y: like x
   * @param dx output: like x; may be x or dy
   */
  public static void geluBackward(Tensor x, Tensor dy, Tensor dx) {
    Device device = deviceOf(x, "x");
    NativeCalls.check(
        Lvx.lvx_gelu_backward(
            Handles.handle(device),
            Handles.input(x, device, "x"),
            Handles.input(dy, device, "dy"),
            Handles.output(dx, device, "dx")));
    Reachability.keep(x, dy, dx);
  }

  /**
   * Gated residual: {@code y = x + tanh(gate) branch} in live rows, {@code y = x} in others.
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
    NativeCalls.check(
        Lvx.lvx_gated_add_forward(
            Handles.handle(device),
            Handles.input(x, device, "x"),
            Handles.input(branch, device, "branch"),
            Handles.optionalInput(gate, device, "gate"),
            Handles.optionalInput(live, device, "live"),
            Handles.output(y, device, "y")));
    Reachability.keep(x, branch, gate, live);
    Reachability.keep(y);
  }

  /**
   * Gradients of {@link #gatedAdd}; the gradient of x is dy itself.
   *
   * @param branch input of gatedAdd; may be null if dGate is null
   * @param gate as in gatedAdd
   * @param live as in gatedAdd
   * @param dy gradient of y: {@code [batch, rows, width]}
   * @param dBranch output: like dy; 0 in rows that are not live; may be branch
   * @param dGate accumulated, or null: {@code [1]}, float32 (float64 for float64); null if gate is
   *     null
   */
  public static void gatedAddBackward(
      @Nullable Tensor branch,
      @Nullable Tensor gate,
      @Nullable Tensor live,
      Tensor dy,
      Tensor dBranch,
      @Nullable Tensor dGate) {
    Device device = deviceOf(dy, "dy");
    if (dGate != null) {
      Preconditions.present(branch, "branch");
      Preconditions.present(gate, "gate");
    }
    NativeCalls.check(
        Lvx.lvx_gated_add_backward(
            Handles.handle(device),
            Handles.optionalInput(branch, device, "branch"),
            Handles.optionalInput(gate, device, "gate"),
            Handles.optionalInput(live, device, "live"),
            Handles.input(dy, device, "dy"),
            Handles.output(dBranch, device, "dBranch"),
            Handles.optionalOutput(dGate, device, "dGate")));
    Reachability.keep(branch, gate, live, dy);
    Reachability.keep(dBranch, dGate);
  }

  /**
   * Gated blend with a gate for each column: {@code y = (1 - sigmoid(gate)) a + sigmoid(gate) b} in
   * live rows, {@code y = a} in others.
   *
   * @param a {@code [batch, rows, width]}
   * @param b like a
   * @param gate {@code [width]}
   * @param live int32 {@code [batch, rows]}, or null
   * @param y output: like a; may be a or b
   */
  public static void blend(Tensor a, Tensor b, Tensor gate, @Nullable Tensor live, Tensor y) {
    Device device = deviceOf(a, "a");
    NativeCalls.check(
        Lvx.lvx_blend_forward(
            Handles.handle(device),
            Handles.input(a, device, "a"),
            Handles.input(b, device, "b"),
            Handles.input(gate, device, "gate"),
            Handles.optionalInput(live, device, "live"),
            Handles.output(y, device, "y")));
    Reachability.keep(a, b, gate, live);
    Reachability.keep(y);
  }

  /**
   * Gradients of {@link #blend}.
   *
   * @param a input of blend
   * @param b input of blend
   * @param gate as in blend
   * @param live as in blend
   * @param dy gradient of y: like a
   * @param da output: like a; dy in rows that are not live; may be a
   * @param db output: like a; 0 in rows that are not live; may be b
   * @param dGate accumulated, or null: {@code [width]}, float32 (float64 for float64)
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
    NativeCalls.check(
        Lvx.lvx_blend_backward(
            Handles.handle(device),
            Handles.input(a, device, "a"),
            Handles.input(b, device, "b"),
            Handles.input(gate, device, "gate"),
            Handles.optionalInput(live, device, "live"),
            Handles.input(dy, device, "dy"),
            Handles.output(da, device, "da"),
            Handles.output(db, device, "db"),
            Handles.optionalOutput(dGate, device, "dGate")));
    Reachability.keep(a, b, gate, live);
    Reachability.keep(dy, da, db, dGate);
  }

  /**
   * {@code y += x}.
   *
   * @param x {@code [batch, rows, width]}
   * @param y input and output: shape of x, in x's dtype or its accumulator
   */
  public static void add(Tensor x, Tensor y) {
    Device device = deviceOf(x, "x");
    NativeCalls.check(
        Lvx.lvx_add(
            Handles.handle(device), Handles.input(x, device, "x"), Handles.output(y, device, "y")));
    Reachability.keep(x, y);
  }

  /**
   * Fills the rows that are not live with zeros.
   *
   * @param live int32 {@code [batch, rows]}
   * @param x input and output: {@code [batch, rows, width]}
   */
  public static void clearRows(Tensor live, Tensor x) {
    Device device = deviceOf(x, "x");
    NativeCalls.check(
        Lvx.lvx_clear_rows(
            Handles.handle(device),
            Handles.input(live, device, "live"),
            Handles.output(x, device, "x")));
    Reachability.keep(live, x);
  }

  private static Device deviceOf(@Nullable Tensor tensor, String name) {
    return Preconditions.present(tensor, name).device();
  }

  private static int flag(boolean value) {
    return value ? 1 : 0;
  }
}
