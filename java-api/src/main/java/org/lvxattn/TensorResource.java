// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.Pointers;
import org.lvxattn.bindings.generated.Lvx;

/** A tensor's descriptor and, unless it wraps memory or is a view, its buffer. */
final class TensorResource extends Resource {
  /** Who owns the memory that a tensor describes. */
  enum Origin {
    ALLOCATED,
    WRAPPED,
    VIEW
  }

  private final DeviceResource device;
  private final Origin origin;
  private final long buffer;
  private final MemorySegment slot;
  private @Nullable Arena exposed;

  TensorResource(DeviceResource device, Origin origin, long buffer) {
    super("tensor");
    this.device = device;
    this.origin = origin;
    this.buffer = buffer;
    this.slot = device.slots.take();
    if (origin != Origin.VIEW) {
      device.opened(this);
    }
  }

  /** Room for the descriptor. */
  MemorySegment slot() {
    return slot;
  }

  /** The memory for callers: it becomes inaccessible, for every thread, when this is released. */
  synchronized MemorySegment expose(MemorySegment memory) {
    exposed = Arena.ofShared();
    return Pointers.within(memory, exposed);
  }

  @Override
  synchronized void release() {
    if (exposed != null && exposed.scope().isAlive()) {
      // Refuses while some native call was given the segment; everything stays as it is then.
      exposed.close();
    }
    if (origin == Origin.ALLOCATED) {
      NativeCalls.check(Lvx.lvx_buffer_free(buffer));
    }
    device.slots.giveBack(slot);
    if (origin != Origin.VIEW) {
      device.closed(this);
    }
  }

  @Override
  void forgotten() {
    if (origin == Origin.VIEW) {
      // A view owns no tensor memory, and expressions make views in passing: no leak.
      release();
    } else {
      super.forgotten();
    }
  }
}
