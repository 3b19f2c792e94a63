// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import static java.lang.System.Logger.Level.WARNING;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_strangers;
import org.lvxattn.internal.ffi.NativeCalls;

/**
 * Logs the connections that the native library dropped while it connected the ranks of a group. The
 * native library does not log; it keeps the first few and counts the others.
 */
final class ForeignConnections {
  private static final System.Logger LOG = System.getLogger("org.lvxattn");

  private ForeignConnections() {}

  /** Logs those of the group that this thread has just created, or failed to create, as a rank. */
  static void log(int rank) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment strangers = lvx_strangers.allocate(arena);
      lvx_strangers.struct_size(strangers, lvx_strangers.sizeof());
      NativeCalls.check(Lvx.lvx_last_strangers(strangers));
      long count = lvx_strangers.count(strangers);
      MemorySegment told = lvx_strangers.told(strangers);
      long width = lvx_strangers.told$dimensions()[1];
      long lines = Math.min(count, lvx_strangers.told$dimensions()[0]);
      for (long line = 0; line < lines; line++) {
        LOG.log(
            WARNING,
            "rank {0} dropped a connection while the group was made: {1}",
            String.valueOf(rank),
            told.asSlice(line * width, width).getString(0));
      }
      if (count > lines) {
        LOG.log(
            WARNING,
            "rank {0} dropped {1} more connections while the group was made",
            String.valueOf(rank),
            String.valueOf(count - lines));
      }
    }
  }
}
