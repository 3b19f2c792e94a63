// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/**
 * Memory that a device's kernels need beside their arguments, in bytes. {@link
 * org.lvxattn.Device#kernelScratch} knows a device's.
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

  /** For a block of queries against a run of keys; the larger of the two for both passes. */
  long attention(AttentionSizes sizes, long queries, long keys, Pass pass);

  /** For projecting rows of each batch item; the larger of the two for both passes. */
  long projection(VisualSizes sizes, long rows, Pass pass);
}
