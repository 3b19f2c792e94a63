// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import static java.lang.System.Logger.Level.WARNING;

/**
 * Logs a line for each connection that a rendezvous drops, but at most a few per second: a port
 * scan must not fill the disk.
 */
final class DroppedConnections {
  static final int BURST = 10;

  private static final System.Logger LOG = System.getLogger("org.lvxattn");
  private static final long REFILL_NANOS = 1_000_000_000;

  private final int port;
  private int allowed = BURST;
  private long refilled = System.nanoTime();
  private long unsaid;
  private long dropped;

  DroppedConnections(int port) {
    this.port = port;
  }

  synchronized void drop(String peer, String reason) {
    dropped++;
    long now = System.nanoTime();
    long more = (now - refilled) / REFILL_NANOS;
    if (more > 0) {
      allowed = (int) Math.min(BURST, allowed + more);
      refilled += more * REFILL_NANOS;
    }
    if (allowed == 0) {
      unsaid++;
      return;
    }
    allowed--;
    LOG.log(
        WARNING,
        "rendezvous on port {0}: dropped a connection from {1}: {2}{3}",
        String.valueOf(port),
        peer,
        RendezvousProtocol.harmless(reason),
        unsaid == 0 ? "" : " (and " + unsaid + " others before)");
    unsaid = 0;
  }

  synchronized void end() {
    if (unsaid > 0) {
      LOG.log(
          WARNING,
          "rendezvous on port {0}: dropped {1} more connections",
          String.valueOf(port),
          String.valueOf(unsaid));
      unsaid = 0;
    }
  }

  synchronized long dropped() {
    return dropped;
  }
}
