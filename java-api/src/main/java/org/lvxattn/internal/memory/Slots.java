// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;

/**
 * Small pieces of native memory of one size, for the structs that cross the ABI. They are allocated
 * in chunks and reused, because closing an arena for each tensor would cost microseconds.
 */
public final class Slots {
  /**
   * Room for a tensor's struct with 8 extents and strides, or for a group's options and statistics.
   */
  public static final long BYTES = 192;

  private static final int CHUNK = 32;

  private final long bytes;
  private final Arena arena = Arena.ofShared();
  private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();
  private boolean closed;

  /** Slots of {@link #BYTES}. */
  public Slots() {
    this(BYTES);
  }

  /** Slots of a multiple of 64 bytes. */
  public Slots(long bytes) {
    this.bytes = bytes;
  }

  /** Returns a zeroed slot. */
  public synchronized MemorySegment take() {
    if (free.isEmpty()) {
      MemorySegment chunk = arena.allocate(CHUNK * bytes, 64);
      for (int i = 0; i < CHUNK; i++) {
        free.add(chunk.asSlice(i * bytes, bytes));
      }
    }
    return free.removeLast().fill((byte) 0);
  }

  /** Returns a slot for reuse; views may do so after the device was closed. */
  public synchronized void giveBack(MemorySegment slot) {
    if (!closed) {
      free.add(slot);
    }
  }

  public synchronized void close() {
    closed = true;
    free.clear();
    arena.close();
  }
}
