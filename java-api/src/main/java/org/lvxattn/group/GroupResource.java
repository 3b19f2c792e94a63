// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.lang.foreign.MemorySegment;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.Resource;

/** A native group and the structs that each of its calls needs. */
final class GroupResource extends Resource {
  final long handle;

  private final DeviceResource device;
  private final MemorySegment slot;

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

  @Override
  public void release() {
    NativeCalls.check(Lvx.lvx_group_close(handle));
    device.slots.giveBack(slot);
    device.closed(this);
  }
}
