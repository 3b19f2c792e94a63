// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.lvxattn.Device;
import org.lvxattn.Pass;
import org.lvxattn.internal.handle.Handles;

/** Scratch memory that a device's kernels need in addition to their arguments, in bytes. */
public interface KernelScratch {
  /** Kernels without scratch memory: plans then leave it out. */
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
   * The scratch memory of a device's kernels. Usable while the device is open, by the thread that
   * owns it.
   *
   * @throws NullPointerException if device is null
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  static KernelScratch of(Device device) {
    return new DeviceScratch(Handles.requireUsable(device, "device"));
  }

  /**
   * The native handle of the device that is asked for its kernels' scratch memory; 0 for none.
   *
   * @throws IllegalStateException if the device was closed
   */
  long handle();

  /**
   * Scratch for projecting the given rows of each batch item; for {@link Pass#BOTH}, the larger of
   * the two.
   */
  long projection(VisualSizes sizes, long rows, Pass pass);
}
