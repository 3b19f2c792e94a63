// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Connections to a rendezvous that have not yet come to their end. Their number and memory are
 * bounded: the oldest make room, as ranks are done in milliseconds, and try again if not.
 */
final class UnfinishedVisitors {
  /** What all of them may hold together, in bytes. */
  private static final long MOST_BYTES = 8L << 20;

  private final int most;

  /** With the bytes that each holds, in the order in which they came. */
  private final Map<RendezvousVisitor, Long> visitors = new LinkedHashMap<>();

  private long bytes;
  private boolean ended;

  UnfinishedVisitors(int size) {
    most = Math.max(128, 2 * Math.min(size, 1 << 20));
  }

  /** Whether there is time for it still. */
  synchronized boolean add(RendezvousVisitor visitor) {
    if (ended) {
      return false;
    }
    if (visitors.size() >= most) {
      drop(visitors.keySet().iterator());
    }
    visitors.put(visitor, 0L);
    return true;
  }

  synchronized void grow(RendezvousVisitor visitor, int more) {
    Long held = visitors.get(visitor);
    if (held == null) {
      return; // it was dropped, and will notice
    }
    visitors.put(visitor, held + more);
    bytes += more;
    for (Iterator<RendezvousVisitor> each = visitors.keySet().iterator();
        bytes > MOST_BYTES && each.hasNext(); ) {
      drop(each);
    }
  }

  synchronized void remove(RendezvousVisitor visitor) {
    Long held = visitors.remove(visitor);
    bytes -= held == null ? 0 : held;
  }

  /** For a moment in which there is nothing to take them in with. */
  synchronized void dropOldest() {
    if (!visitors.isEmpty()) {
      drop(visitors.keySet().iterator());
    }
  }

  synchronized int count() {
    return visitors.size();
  }

  /** The gathering is over, and so are they. */
  synchronized void end() {
    ended = true;
    new ArrayList<>(visitors.keySet()).forEach(RendezvousVisitor::close);
  }

  private void drop(Iterator<RendezvousVisitor> oldest) {
    RendezvousVisitor visitor = oldest.next();
    Long held = visitors.get(visitor);
    bytes -= held == null ? 0 : held;
    oldest.remove();
    visitor.makeRoom();
  }
}
