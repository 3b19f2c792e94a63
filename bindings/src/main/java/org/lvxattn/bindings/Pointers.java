// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Gives native addresses a size and a lifetime. These are restricted methods, so they live here and
 * nowhere else; callers vouch for address and size.
 */
public final class Pointers {
  private Pointers() {}

  /** Memory that native code owns; the caller sees to it that it is not used after it was freed. */
  public static MemorySegment sized(MemorySegment address, long bytes) {
    return address.reinterpret(bytes);
  }

  /** The memory from an offset on; of an address without a size, the address there. */
  public static MemorySegment behind(MemorySegment memory, long offset) {
    if (memory.byteSize() > 0 || offset == 0) {
      return memory.asSlice(offset);
    }
    return livingWith(MemorySegment.ofAddress(memory.address() + offset), memory);
  }

  /** The same memory, accessible until the arena is closed. */
  public static MemorySegment within(MemorySegment memory, Arena arena) {
    return memory.reinterpret(arena, null);
  }

  /**
   * The same memory, accessible as long as another segment is. A native call that is given the
   * result therefore keeps that other segment's arena from being closed until it returns.
   */
  public static MemorySegment livingWith(MemorySegment memory, MemorySegment other) {
    return memory.reinterpret(new BorrowedArena(other.scope()), null);
  }

  /** The text at an address of a zero-terminated UTF-8 string with static storage. */
  public static String text(MemorySegment address) {
    return address.reinterpret(Long.MAX_VALUE).getString(0);
  }

  /** Stands for a lifetime that somebody else ends. */
  private record BorrowedArena(MemorySegment.Scope scope) implements Arena {
    @Override
    public MemorySegment allocate(long byteSize, long byteAlignment) {
      throw new UnsupportedOperationException("a borrowed lifetime allocates nothing");
    }

    @Override
    public void close() {
      throw new UnsupportedOperationException("a borrowed lifetime is ended by its owner");
    }
  }
}
