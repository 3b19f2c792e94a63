// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import static java.lang.System.Logger.Level.WARNING;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_rejected_connections;
import org.lvxattn.internal.ffi.NativeCalls;

/**
 * Logs the connections that the native library dropped while it connected the ranks of a group. The
 * native library does not log; it keeps the first few and counts the others.
 */
final class RejectedConnections {
  private static final System.Logger LOG = System.getLogger("org.lvxattn");

  private RejectedConnections() {}

  /** Logs those of the group that this thread has just created, or failed to create, as a rank. */
  static void log(int rank) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment rejected = lvx_rejected_connections.allocate(arena);
      lvx_rejected_connections.struct_size(rejected, lvx_rejected_connections.sizeof());
      NativeCalls.check(Lvx.lvx_last_rejected_connections(rejected));
      long count = lvx_rejected_connections.count(rejected);
      MemorySegment lines = lvx_rejected_connections.lines(rejected);
      long width = lvx_rejected_connections.lines$dimensions()[1];
      long shown = Math.min(count, lvx_rejected_connections.lines$dimensions()[0]);
      for (long line = 0; line < shown; line++) {
        LOG.log(
            WARNING,
            "rank {0} dropped a connection while the group was made: {1}",
            String.valueOf(rank),
            lines.asSlice(line * width, width).getString(0));
      }
      if (count > shown) {
        LOG.log(
            WARNING,
            "rank {0} dropped {1} more connections while the group was made",
            String.valueOf(rank),
            String.valueOf(count - shown));
      }
    }
  }
}
