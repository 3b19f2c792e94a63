// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** C functions of the type {@code void (*)(void*)}, called from Java or implemented in Java. */
public final class FunctionPointers {
  private static final FunctionDescriptor TYPE = FunctionDescriptor.ofVoid(ValueLayout.ADDRESS);
  private static final MethodHandle CALL = Linker.nativeLinker().downcallHandle(TYPE);

  private FunctionPointers() {}

  /** Calls a function, whose address the caller is responsible for. */
  public static void call(MemorySegment function, MemorySegment argument) {
    try {
      CALL.invokeExact(function, argument);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError("a C function throws nothing", e);
    }
  }

  /**
   * A pointer by which native code can call a Java method on any thread, until the process ends.
   *
   * @param method takes one {@link MemorySegment} of length 0; if it throws, the JVM exits
   */
  public static MemorySegment to(MethodHandle method) {
    return Linker.nativeLinker().upcallStub(method, TYPE, Arena.global());
  }
}
