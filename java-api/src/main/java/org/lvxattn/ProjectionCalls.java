// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import org.lvxattn.bindings.generated.Lvx;

/** The native projections of whole shards of features on one device. */
final class ProjectionCalls {
  private final Device device;
  private final VisualResource structs;

  ProjectionCalls(Device device, VisualResource structs) {
    this.device = device;
    this.structs = structs;
  }

  /** Raw keys and values. */
  void forward(KeyValueProjection projection, Tensor features, Tensor rawKey, Tensor value) {
    MemorySegment struct = structs.projection(projection, device);
    NativeCalls.check(
        Lvx.lvx_project_forward(
            device.handle(),
            struct,
            Arguments.input(features, device, "features"),
            Arguments.output(rawKey, device, "rawK"),
            Arguments.output(value, device, "v")));
    Reachability.keep(projection);
    Reachability.keep(features);
    Reachability.keep(rawKey);
    Reachability.keep(value);
  }

  /** Normalises and rotates keys; key may be rawKey. */
  void finish(KeyValueProjection projection, Tensor rawKey, Tensor key) {
    MemorySegment struct = structs.projection(projection, device);
    NativeCalls.check(
        Lvx.lvx_project_keys(
            device.handle(),
            struct,
            Arguments.input(rawKey, device, "rawK"),
            Arguments.output(key, device, "k")));
    Reachability.keep(projection);
    Reachability.keep(rawKey);
    Reachability.keep(key);
  }

  /** What can be known of {@link #backward} before the collective call that comes first. */
  void check(VisualBackward call) {
    structs.projection(call.projection(), device);
    structs.gradients(call.gradients(), device);
  }

  /** Adds gradients of parameters and, where wanted, features. */
  void backward(VisualBackward call, Tensor features, Tensor rawKey, Tensor dk, Tensor dv) {
    MemorySegment struct = structs.projection(call.projection(), device);
    MemorySegment gradients = structs.gradients(call.gradients(), device);
    NativeCalls.check(
        Lvx.lvx_project_backward(
            device.handle(),
            struct,
            Arguments.input(features, device, "features"),
            Arguments.input(rawKey, device, "rawK"),
            Arguments.input(dk, device, "dk"),
            Arguments.input(dv, device, "dv"),
            Arguments.optionalOutput(call.dFeatures(), device, "dFeatures"),
            gradients));
    Reachability.keep(call);
    Reachability.keep(features);
    Reachability.keep(rawKey);
    Reachability.keep(dk);
    Reachability.keep(dv);
  }
}
