// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.lvxattn.bindings.generated.Lvx;

/** A native device, and what was made on it and is still open. */
final class DeviceResource extends Resource {
  final long handle;
  final Slots slots = new Slots();

  private final Set<Resource> open = new LinkedHashSet<>();
  private boolean abandoned;

  DeviceResource(long handle) {
    super("device");
    this.handle = handle;
  }

  synchronized void opened(Resource resource) {
    open.add(resource);
  }

  synchronized void closed(Resource resource) {
    open.remove(resource);
    // The cleaner meets a forgotten device and what is on it in any order; the last one shuts it.
    if (abandoned && open.isEmpty()) {
      release();
    }
  }

  @Override
  synchronized void release() {
    if (!open.isEmpty()) {
      throw stillOpen();
    }
    NativeCalls.check(Lvx.lvx_device_close(handle));
    slots.close();
  }

  @Override
  void forgotten() {
    try {
      releaseOrAbandon();
    } finally {
      LeakDetector.report("a " + kind(), origin());
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
                + (LeakDetector.mode() == LeakDetector.Mode.TRACE
                    ? ""
                    : " (-D" + LeakDetector.PROPERTY + "=trace shows where they were made)"));
    for (Resource resource : open) {
      Throwable origin = resource.origin();
      if (origin != null) {
        failure.addSuppressed(origin);
      }
    }
    return failure;
  }
}
