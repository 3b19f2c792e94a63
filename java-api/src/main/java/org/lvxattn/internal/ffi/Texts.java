// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Preconditions;

/** NUL-terminated strings for native code. */
public final class Texts {
  private Texts() {}

  /** A native copy of a text; a null pointer if it is null. */
  public static MemorySegment optional(@Nullable String text, Arena arena, String name) {
    if (text == null) {
      return MemorySegment.NULL;
    }
    Preconditions.require(
        text.indexOf('\0') < 0, name + " contains a NUL character; none was expected");
    return arena.allocateFrom(text);
  }
}
