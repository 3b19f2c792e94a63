// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;

/**
 * Small pieces of native memory of one size for the structs that cross the ABI. They are made in
 * chunks and reused, because an arena for each tensor would cost microseconds to close.
 */
final class Slots {
  /** A tensor's struct with 8 extents and strides, or a group's options and statistics. */
  static final long BYTES = 192;

  private static final int CHUNK = 32;

  private final Arena arena = Arena.ofShared();
  private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();
  private boolean closed;

  /** A zeroed slot. */
  synchronized MemorySegment take() {
    if (free.isEmpty()) {
      MemorySegment chunk = arena.allocate(CHUNK * BYTES, 64);
      for (int i = 0; i < CHUNK; i++) {
        free.add(chunk.asSlice(i * BYTES, BYTES));
      }
    }
    return free.removeLast().fill((byte) 0);
  }

  /** The slot is not used any more; views may say so after the device was closed. */
  synchronized void giveBack(MemorySegment slot) {
    if (!closed) {
      free.add(slot);
    }
  }

  synchronized void close() {
    closed = true;
    free.clear();
    arena.close();
  }
}
