// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Connections to a rendezvous that have not yet come to their end. Their number and memory are
 * bounded: the oldest make room, as ranks are done in milliseconds, and try again if not.
 */
final class PendingConnections {
  /** What all of them may hold together, in bytes. */
  private static final long MOST_BYTES = 8L << 20;

  private final int most;

  /** With the bytes that each holds, in the order in which they came. */
  private final Map<IncomingConnection, Long> connections = new LinkedHashMap<>();

  private long bytes;
  private boolean ended;

  PendingConnections(int size) {
    most = Math.max(128, 2 * Math.min(size, 1 << 20));
  }

  /** Whether there is time for it still. */
  synchronized boolean add(IncomingConnection connection) {
    if (ended) {
      return false;
    }
    if (connections.size() >= most) {
      drop(connections.keySet().iterator());
    }
    connections.put(connection, 0L);
    return true;
  }

  synchronized void grow(IncomingConnection connection, int more) {
    Long held = connections.get(connection);
    if (held == null) {
      return; // it was dropped, and will notice
    }
    connections.put(connection, held + more);
    bytes += more;
    for (Iterator<IncomingConnection> each = connections.keySet().iterator();
        bytes > MOST_BYTES && each.hasNext(); ) {
      drop(each);
    }
  }

  synchronized void remove(IncomingConnection connection) {
    Long held = connections.remove(connection);
    bytes -= held == null ? 0 : held;
  }

  /** For a moment in which there is nothing to take them in with. */
  synchronized void dropOldest() {
    if (!connections.isEmpty()) {
      drop(connections.keySet().iterator());
    }
  }

  synchronized int count() {
    return connections.size();
  }

  /** The gathering is over, and so are they. */
  synchronized void end() {
    ended = true;
    new ArrayList<>(connections.keySet()).forEach(IncomingConnection::close);
  }

  private void drop(Iterator<IncomingConnection> oldest) {
    IncomingConnection connection = oldest.next();
    Long held = connections.get(connection);
    bytes -= held == null ? 0 : held;
    oldest.remove();
    connection.makeRoom();
  }
}
