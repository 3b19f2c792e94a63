// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.lvxattn.Device;
import org.lvxattn.Pass;
import org.lvxattn.internal.handle.Handles;

/**
 * Memory that a device's kernels need beside their arguments, in bytes. {@link #of} knows a
 * device's.
 */
public interface KernelScratch {
  /** Kernels that need none: leaves their part out of a plan. */
  KernelScratch NONE =
      new KernelScratch() {
        @Override
        public long handle() {
          return 0;
        }

        @Override
        public long projection(VisualSizes sizes, long rows, Pass pass) {
          return 0;
        }
      };

  /**
   * The workspace of a device's kernels, to predict memory. Usable while the device is open, by the
   * thread that owns it.
   *
   * @throws NullPointerException if device is null
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  static KernelScratch of(Device device) {
    return new DeviceScratch(Handles.requireUsable(device, "device"));
  }

  /**
   * The native handle of the device, by which plans of calls ask for what its kernels need; 0 for
   * none.
   *
   * @throws IllegalStateException if the device was closed
   */
  long handle();

  /** For projecting rows of each batch item; the larger of the two for both passes. */
  long projection(VisualSizes sizes, long rows, Pass pass);
}
