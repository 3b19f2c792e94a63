// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Checks of what callers pass in, with messages that name the argument and what was expected. */
final class Arguments {
  private Arguments() {}

  /** The argument, which must not be null. */
  static <T> T present(@Nullable T argument, String name) {
    if (argument == null) {
      throw new NullPointerException(name + " is null");
    }
    return argument;
  }

  static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  /** A text for native code, which ends it at a zero; a null pointer where there is none. */
  static MemorySegment optionalText(@Nullable String text, Arena arena, String name) {
    if (text == null) {
      return MemorySegment.NULL;
    }
    require(text.indexOf('\0') < 0, name + " has a zero in it; a text without was expected");
    return arena.allocateFrom(text);
  }

  /** The descriptor of a tensor that is read. */
  static MemorySegment input(@Nullable Tensor tensor, Device device, String name) {
    return present(tensor, name).descriptorFor(device, name);
  }

  /** As {@link #input}, or a null pointer where there is no tensor. */
  static MemorySegment optionalInput(@Nullable Tensor tensor, Device device, String name) {
    return tensor == null ? MemorySegment.NULL : tensor.descriptorFor(device, name);
  }

  /** The descriptor of a tensor that is written. */
  static MemorySegment output(@Nullable Tensor tensor, Device device, String name) {
    Tensor target = present(tensor, name);
    MemorySegment descriptor = target.descriptorFor(device, name);
    if (target.isReadOnly()) {
      throw new IllegalArgumentException(
          name + " wraps a read-only segment; an output that can be written was expected");
    }
    return descriptor;
  }

  /** As {@link #output}, or a null pointer where there is no tensor. */
  static MemorySegment optionalOutput(@Nullable Tensor tensor, Device device, String name) {
    return tensor == null ? MemorySegment.NULL : output(tensor, device, name);
  }
}
