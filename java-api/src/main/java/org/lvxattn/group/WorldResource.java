// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.Resource;

/** A native local world. */
final class WorldResource extends Resource {
  final long handle;

  WorldResource(long handle) {
    super("local world");
    this.handle = handle;
  }

  @Override
  public void release() {
    NativeCalls.check(Lvx.lvx_local_world_close(handle));
  }
}
