// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Gives native addresses a size and a lifetime. All calls of these restricted methods are here.
 * Callers are responsible for address and size.
 */
public final class Pointers {
  private Pointers() {}

  /** Memory that native code owns; the caller must not use it after it was freed. */
  public static MemorySegment sized(MemorySegment address, long bytes) {
    return address.reinterpret(bytes);
  }

  /** The memory from an offset on; for a zero-length segment, the address at the offset. */
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
   * The same memory, accessible as long as another segment is. A native call that takes the result
   * therefore keeps the other segment's arena open until it returns.
   */
  public static MemorySegment livingWith(MemorySegment memory, MemorySegment other) {
    return memory.reinterpret(new BorrowedArena(other.scope()), null);
  }

  /** The text of a NUL-terminated UTF-8 string with static storage. */
  public static String text(MemorySegment address) {
    return address.reinterpret(Long.MAX_VALUE).getString(0);
  }

  /** An unmanaged lifetime. */
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
