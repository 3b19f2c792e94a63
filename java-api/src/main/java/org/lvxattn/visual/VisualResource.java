// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_projection;
import org.lvxattn.bindings.generated.lvx_projection_gradients;
import org.lvxattn.bindings.generated.lvx_visual_options;
import org.lvxattn.internal.handle.Handles;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.Resource;
import org.lvxattn.layer.KeyValueGradients;
import org.lvxattn.layer.KeyValueLayout;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.layer.Norm;

/** The structs for native calls of one visual checkpoint, refilled for each call. */
final class VisualResource extends Resource {
  private final DeviceResource device;
  private final MemorySegment first;
  private final MemorySegment second;
  private final MemorySegment projection;
  private final MemorySegment options;
  private final MemorySegment gradients;

  VisualResource(DeviceResource device) {
    super("visual checkpoint");
    this.device = device;
    this.first = device.slots.take();
    this.second = device.slots.take();
    this.projection = first.asSlice(0, lvx_projection.sizeof());
    this.options = first.asSlice(lvx_projection.sizeof(), lvx_visual_options.sizeof());
    this.gradients = second.asSlice(0, lvx_projection_gradients.sizeof());
    lvx_projection.struct_size(projection, lvx_projection.sizeof());
    lvx_visual_options.struct_size(options, lvx_visual_options.sizeof());
    lvx_projection_gradients.struct_size(gradients, lvx_projection_gradients.sizeof());
    device.opened(this);
  }

  /** The struct lvx_visual_options. */
  MemorySegment options(double scale, long tileRows) {
    lvx_visual_options.scale(options, scale);
    lvx_visual_options.tile_rows(options, tileRows);
    return options;
  }

  /** The struct lvx_projection. */
  MemorySegment projection(KeyValueProjection from, Device on) {
    lvx_projection.key_heads(projection, from.keyValueHeads());
    lvx_projection.head_dim(projection, from.headDim());
    lvx_projection.layout(projection, code(from.layout()));
    lvx_projection.input_norm(projection, code(from.inputNorm()));
    lvx_projection.key_norm(projection, code(from.hasKeyNorm() ? Norm.RMS : Norm.NONE));
    lvx_projection.rotary(projection, from.hasRotary() ? 1 : 0);
    lvx_projection.input_epsilon(projection, from.inputEpsilon());
    lvx_projection.key_epsilon(projection, from.keyEpsilon());
    lvx_projection.theta(projection, from.theta());
    lvx_projection.weight(projection, input(from.weight(), on, "weight"));
    lvx_projection.bias(projection, input(from.bias(), on, "bias"));
    lvx_projection.value_weight(projection, input(from.valueWeight(), on, "valueWeight"));
    lvx_projection.value_bias(projection, input(from.valueBias(), on, "valueBias"));
    lvx_projection.input_weight(projection, input(from.inputWeight(), on, "inputWeight"));
    lvx_projection.input_bias(projection, input(from.inputBias(), on, "inputBias"));
    lvx_projection.key_weight(projection, input(from.keyWeight(), on, "keyWeight"));
    lvx_projection.positions(projection, input(from.positions(), on, "positions"));
    // A native call with this struct keeps the parameters' arena open.
    Tensor wrapped =
        firstWrapped(
            from.weight(),
            from.bias(),
            from.valueWeight(),
            from.valueBias(),
            from.inputWeight(),
            from.inputBias(),
            from.keyWeight(),
            from.positions());
    return wrapped == null ? projection : Handles.keptOpenBy(wrapped, projection);
  }

  private static int code(KeyValueLayout layout) {
    return switch (layout) {
      case SEPARATE -> Lvx.LVX_KEY_VALUE_SEPARATE();
      case CONCATENATED -> Lvx.LVX_KEY_VALUE_CONCATENATED();
      case INTERLEAVED -> Lvx.LVX_KEY_VALUE_INTERLEAVED();
    };
  }

  private static int code(Norm norm) {
    return switch (norm) {
      case NONE -> Lvx.LVX_NORM_NONE();
      case RMS -> Lvx.LVX_NORM_RMS();
      case LAYER -> Lvx.LVX_NORM_LAYER();
    };
  }

  private static MemorySegment input(@Nullable Tensor tensor, Device device, String name) {
    return Handles.optionalInput(tensor, device, "projection." + name);
  }

  private static @Nullable Tensor firstWrapped(@Nullable Tensor... tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null && Handles.isWrapped(tensor)) {
        return tensor;
      }
    }
    return null;
  }

  /** The struct lvx_projection_gradients. */
  MemorySegment gradients(KeyValueGradients to, Device on) {
    lvx_projection_gradients.weight(gradients, output(to.weight(), on, "weight"));
    lvx_projection_gradients.bias(gradients, output(to.bias(), on, "bias"));
    lvx_projection_gradients.value_weight(gradients, output(to.valueWeight(), on, "valueWeight"));
    lvx_projection_gradients.value_bias(gradients, output(to.valueBias(), on, "valueBias"));
    lvx_projection_gradients.input_weight(gradients, output(to.inputWeight(), on, "inputWeight"));
    lvx_projection_gradients.input_bias(gradients, output(to.inputBias(), on, "inputBias"));
    lvx_projection_gradients.key_weight(gradients, output(to.keyWeight(), on, "keyWeight"));
    return gradients;
  }

  private static MemorySegment output(@Nullable Tensor tensor, Device device, String name) {
    return Handles.optionalOutput(tensor, device, "gradients." + name);
  }

  @Override
  public void release() {
    device.slots.giveBack(first);
    device.slots.giveBack(second);
    device.closed(this);
  }
}
