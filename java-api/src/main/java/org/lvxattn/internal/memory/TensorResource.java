// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.Pointers;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.NativeCalls;

/** A tensor's descriptor and, unless it wraps memory or is a view, its buffer. */
public final class TensorResource extends Resource {
  /** Origin of the memory that a tensor describes. */
  public enum Origin {
    ALLOCATED,
    WRAPPED,
    VIEW
  }

  private final DeviceResource device;
  private final Origin origin;
  private final long buffer;
  private final MemorySegment slot;
  private final String dtype;
  private final long[] shape;
  private @Nullable Arena exposed;

  /** The resource of a tensor with this dtype and shape, which reports of leaks name. */
  public TensorResource(
      DeviceResource device, Origin origin, long buffer, String dtype, long[] shape) {
    super("tensor");
    this.dtype = dtype;
    this.shape = shape;
    this.device = device;
    this.origin = origin;
    this.buffer = buffer;
    this.slot = device.slots.take();
    if (origin != Origin.VIEW) {
      device.opened(this);
    }
  }

  @Override
  protected String description() {
    return "a tensor of " + dtype + " " + Arrays.toString(shape);
  }

  /** Room for the descriptor. */
  public MemorySegment slot() {
    return slot;
  }

  /** A segment for callers, which becomes inaccessible to all threads when this is released. */
  public synchronized MemorySegment expose(MemorySegment memory) {
    exposed = Arena.ofShared();
    return Pointers.within(memory, exposed);
  }

  @Override
  public synchronized void release() {
    if (exposed != null && exposed.scope().isAlive()) {
      // Throws while a native call uses the segment, and changes nothing in that case.
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
  public void forgotten() {
    if (origin == Origin.VIEW) {
      // Not a leak: a view owns no memory, and expressions often create temporary views.
      release();
    } else {
      super.forgotten();
    }
  }
}
