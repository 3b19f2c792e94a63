// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Connections to a rendezvous that have not finished. Their number and memory are bounded: the
 * oldest are dropped to make room. Ranks finish within milliseconds, and retry if they are dropped.
 */
final class PendingConnections {
  /** Limit of the memory of all connections, in bytes. */
  private static final long MOST_BYTES = 8L << 20;

  private final int most;

  /** Connections in order of arrival, with the bytes that each holds. */
  private final Map<IncomingConnection, Long> connections = new LinkedHashMap<>();

  private long bytes;
  private boolean ended;

  PendingConnections(int size) {
    most = Math.max(128, 2 * Math.min(size, 1 << 20));
  }

  /** Adds a connection; false if the gathering has ended. */
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

  /** Drops the oldest, for instance if the process has no file descriptors left. */
  synchronized void dropOldest() {
    if (!connections.isEmpty()) {
      drop(connections.keySet().iterator());
    }
  }

  synchronized int count() {
    return connections.size();
  }

  /** Ends the gathering and drops all connections. */
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
