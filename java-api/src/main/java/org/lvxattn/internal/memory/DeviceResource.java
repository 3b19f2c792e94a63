// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.NativeCalls;

/** A native device and the open resources on it. */
public final class DeviceResource extends Resource {
  public final long handle;
  public final Slots slots = new Slots();

  private final Set<Resource> open = new LinkedHashSet<>();
  private boolean abandoned;

  public DeviceResource(long handle) {
    super("device");
    this.handle = handle;
  }

  public synchronized void opened(Resource resource) {
    open.add(resource);
  }

  public synchronized void closed(Resource resource) {
    open.remove(resource);
    // The cleaner processes an unreachable device and its resources in any order; the last one
    // closes it.
    if (abandoned && open.isEmpty()) {
      release();
    }
  }

  @Override
  public synchronized void release() {
    if (!open.isEmpty()) {
      throw stillOpen();
    }
    NativeCalls.check(Lvx.lvx_device_close(handle));
    slots.close();
  }

  @Override
  public void forgotten() {
    try {
      releaseOrAbandon();
    } finally {
      Leaks.report(description(), origin());
    }
  }

  private synchronized void releaseOrAbandon() {
    abandoned = true;
    if (open.isEmpty()) {
      release();
    }
  }

  private IllegalStateException stillOpen() {
    List<String> kinds = new ArrayList<>();
    for (String kind : List.of("tensor", "group", "visual checkpoint", "pinned buffer")) {
      long count = open.stream().filter(resource -> resource.kind().equals(kind)).count();
      if (count > 0) {
        kinds.add(count + " " + kind + (count == 1 ? "" : "s"));
      }
    }
    IllegalStateException failure =
        new IllegalStateException(
            "the device cannot be closed while "
                + String.join(" and ", kinds)
                + " of it are open; close them first"
                + (Leaks.mode() == Leaks.Mode.TRACE
                    ? ""
                    : " (-D" + Leaks.PROPERTY + "=trace shows where they were made)"));
    for (Resource resource : open) {
      Throwable origin = resource.origin();
      if (origin != null) {
        failure.addSuppressed(origin);
      }
    }
    return failure;
  }
}
