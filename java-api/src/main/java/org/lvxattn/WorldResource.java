// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.bindings.generated.Lvx;

/** A native local world. */
final class WorldResource extends Resource {
  final long handle;

  WorldResource(long handle) {
    super("local world");
    this.handle = handle;
  }

  @Override
  void release() {
    NativeCalls.check(Lvx.lvx_local_world_close(handle));
  }
}
