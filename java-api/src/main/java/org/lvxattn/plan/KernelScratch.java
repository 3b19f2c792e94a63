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
        public long attention(AttentionSizes sizes, long queries, long keys, Pass pass) {
          return 0;
        }

        @Override
        public long projection(VisualSizes sizes, long rows, Pass pass) {
          return 0;
        }
      };

  /**
   * What a device's kernels need. Answers can be had while the device is open, from the thread that
   * owns it.
   *
   * @throws NullPointerException if device is null
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  static KernelScratch of(Device device) {
    return new DeviceScratch(Handles.requireUsable(device, "device"));
  }

  /** For a block of queries against a run of keys; the larger of the two for both passes. */
  long attention(AttentionSizes sizes, long queries, long keys, Pass pass);

  /** For projecting rows of each batch item; the larger of the two for both passes. */
  long projection(VisualSizes sizes, long rows, Pass pass);
}
