// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static java.lang.System.Logger.Level.WARNING;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_strangers;

/**
 * The connections that the native library dropped while it connected the ranks of a group. It logs
 * nothing itself, and keeps the first of them: a line each, and one for the number of the others.
 */
final class MeetingStrangers {
  private static final System.Logger LOG = System.getLogger("org.lvxattn");

  private MeetingStrangers() {}

  /** Of the group that this thread has just made, or failed to make, as some rank. */
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
