// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.Resource;

/** A native group and the structs that each of its calls needs. */
final class GroupResource extends Resource {
  final long handle;

  private final DeviceResource device;
  private final MemorySegment slot;
  private @Nullable InterruptibleCall call;

  GroupResource(DeviceResource device, long handle) {
    super("group");
    this.device = device;
    this.handle = handle;
    this.slot = device.slots.take();
    device.opened(this);
  }

  MemorySegment slot() {
    return slot;
  }

  /** The calls that wait for other ranks, watched until this is released. */
  InterruptibleCall interruptibleCall() {
    long group = handle; // the watch must not keep this from being collected
    InterruptibleCall watched =
        new InterruptibleCall(reason -> Lvx.lvx_group_interrupt(group, reason));
    call = watched;
    return watched;
  }

  @Override
  public void release() {
    NativeCalls.check(Lvx.lvx_group_close(handle));
    if (call != null) {
      call.close();
    }
    device.slots.giveBack(slot);
    device.closed(this);
  }
}
