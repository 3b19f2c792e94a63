// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.charset.Charset;
import java.nio.file.Path;

/**
 * Opens libraries by file. Unlike {@link System#load}, any number of class loaders may open the
 * same file.
 */
final class DynamicLinker {
  private static final int RTLD_NOW = 2;

  private DynamicLinker() {}

  /**
   * Opens a library, for as long as this process lives.
   *
   * @throws UnsatisfiedLinkError with the linker's message if it cannot
   * @throws IllegalCallerException if this JVM denies native access
   */
  static SymbolLookup open(Path file) {
    try {
      return SymbolLookup.libraryLookup(file, Arena.global());
    } catch (IllegalArgumentException e) {
      var error = new UnsatisfiedLinkError(messageOf(file));
      error.initCause(e);
      throw error;
    }
  }

  /** Why the linker does not open a file: Java does not tell. */
  private static String messageOf(Path file) {
    try (Arena arena = Arena.ofConfined()) {
      MethodHandle open = function("dlopen", FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_INT));
      MethodHandle message = function("dlerror", FunctionDescriptor.of(ADDRESS));
      byte[] name = file.toString().getBytes(encodingOfNames());
      MemorySegment text = arena.allocate(name.length + 1L);
      MemorySegment.copy(name, 0, text, JAVA_BYTE, 0, name.length);
      MemorySegment handle = (MemorySegment) open.invokeExact(text, RTLD_NOW);
      if (handle.address() == 0) {
        return Pointers.text((MemorySegment) message.invokeExact());
      }
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable t) {
      throw new AssertionError("a downcall throws only unchecked exceptions", t);
    }
    return file + " could not be opened, but now it can: call again";
  }

  private static Charset encodingOfNames() {
    return Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"));
  }

  private static MethodHandle function(String name, FunctionDescriptor type) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
  }
}
