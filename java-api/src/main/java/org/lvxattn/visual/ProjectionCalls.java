// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import java.lang.foreign.MemorySegment;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.handle.Handles;
import org.lvxattn.internal.memory.Reachability;
import org.lvxattn.layer.KeyValueProjection;

/** The native projections of whole shards of features on one device. */
final class ProjectionCalls {
  private final Device device;
  private final VisualResource structs;

  ProjectionCalls(Device device, VisualResource structs) {
    this.device = device;
    this.structs = structs;
  }

  /** Projects raw keys and values. */
  void forward(KeyValueProjection projection, Tensor features, Tensor rawKey, Tensor value) {
    MemorySegment struct = structs.projection(projection, device);
    NativeCalls.check(
        Lvx.lvx_project_forward(
            Handles.handle(device),
            struct,
            Handles.input(features, device, "features"),
            Handles.output(rawKey, device, "rawK"),
            Handles.output(value, device, "v")));
    Reachability.keep(projection, features, rawKey, value);
  }

  /** Normalises and rotates keys; key may be rawKey. */
  void finish(KeyValueProjection projection, Tensor rawKey, Tensor key) {
    MemorySegment struct = structs.projection(projection, device);
    NativeCalls.check(
        Lvx.lvx_project_keys(
            Handles.handle(device),
            struct,
            Handles.input(rawKey, device, "rawK"),
            Handles.output(key, device, "k")));
    Reachability.keep(projection, rawKey, key);
  }

  /** Checks the arguments of {@link #backward} before the collective call that precedes it. */
  void check(VisualBackward call) {
    structs.projection(call.projection(), device);
    structs.gradients(call.gradients(), device);
  }

  /** Accumulates gradients of the parameters and, if wanted, of the features. */
  void backward(VisualBackward call, Tensor features, Tensor rawKey, Tensor dk, Tensor dv) {
    MemorySegment struct = structs.projection(call.projection(), device);
    MemorySegment gradients = structs.gradients(call.gradients(), device);
    NativeCalls.check(
        Lvx.lvx_project_backward(
            Handles.handle(device),
            struct,
            Handles.input(features, device, "features"),
            Handles.input(rawKey, device, "rawK"),
            Handles.input(dk, device, "dk"),
            Handles.input(dv, device, "dv"),
            Handles.optionalOutput(call.dFeatures(), device, "dFeatures"),
            gradients));
    Reachability.keep(call, features, rawKey, dk);
    Reachability.keep(dv);
  }
}
