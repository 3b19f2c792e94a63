// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.lvxattn.bindings.NativeLibrary;
import org.lvxattn.bindings.Pointers;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_error;

/** Loads the native library and turns its statuses into exceptions. */
public final class NativeCalls {
  private NativeCalls() {}

  /**
   * Loads the library; every public entry point calls this first.
   *
   * @throws LinkageError if it cannot be loaded or has another version of the C ABI
   */
  public static void load() {
    NativeLibrary.load();
    int found = Lvx.lvx_abi_version();
    if (found != Lvx.LVX_ABI_VERSION()) {
      throw new LinkageError(
          NativeLibrary.file()
              + " has ABI version "
              + found
              + "; this version of lvxattn needs "
              + Lvx.LVX_ABI_VERSION());
    }
  }

  /** The version of the native library. */
  public static String version() {
    return Pointers.text(Lvx.lvx_version());
  }

  /** Throws the exception for a status other than LVX_OK; allocates nothing for LVX_OK. */
  public static void check(int status) {
    if (status != Lvx.LVX_OK()) {
      throw failure();
    }
  }

  /** The rank at fault in this thread's last failure, or -1. */
  public static int lastRank() {
    try (Arena arena = Arena.ofConfined()) {
      return lvx_error.rank(lastError(arena));
    }
  }

  private static MemorySegment lastError(Arena arena) {
    MemorySegment error = lvx_error.allocate(arena);
    lvx_error.struct_size(error, lvx_error.sizeof());
    Lvx.lvx_last_error(error);
    return error;
  }

  private static RuntimeException failure() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment error = lastError(arena);
      return Failures.HOOK
          .get()
          .of(
              lvx_error.status(error),
              ArgumentNames.inJava(
                  lvx_error.message(error).getString(0), lvx_error.argument(error).getString(0)),
              lvx_error.rank(error),
              lvx_error.sequence(error),
              lvx_error.operation(error).getString(0));
    }
  }
}
