// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.lang.foreign.MemorySegment;

/** Decides which copies a GPU can make itself, without the host. */
public final class DeviceCopies {
  /** The most dimensions that the native copy supports. */
  private static final int MOST_DIMENSIONS = 4;

  private DeviceCopies() {}

  /** Whether the native copy serves two tensors of one shape on one GPU. */
  public static boolean serves(
      MemorySegment from, Layout fromLayout, MemorySegment to, Layout toLayout) {
    int rank = toLayout.shape().length;
    return toLayout.type().isFloating()
        && rank >= 1
        && rank <= MOST_DIMENSIONS
        && hasContiguousRows(fromLayout)
        && hasContiguousRows(toLayout)
        && !overlap(from, fromLayout, to, toLayout);
  }

  private static boolean hasContiguousRows(Layout layout) {
    int last = layout.shape().length - 1;
    return layout.shape()[last] <= 1 || layout.strides()[last] == 1;
  }

  /** Whether the memory of two tensors overlaps. */
  static boolean overlap(MemorySegment from, Layout fromLayout, MemorySegment to, Layout toLayout) {
    return from.address() < to.address() + toLayout.extentBytes()
        && to.address() < from.address() + fromLayout.extentBytes();
  }
}
