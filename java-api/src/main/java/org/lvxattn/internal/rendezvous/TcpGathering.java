// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.Failures;

/**
 * A rendezvous over TCP at one address: {@link RendezvousServer} is rank 0's part, {@link
 * RendezvousClient} the others'.
 *
 * @param host rank 0's name or address
 * @param port rank 0's port
 * @param lookup resolves the host
 * @param expiry when to give up, whatever the timeout, by {@link System#nanoTime}; null for the
 *     timeout only
 */
public record TcpGathering(String host, int port, HostLookup lookup, @Nullable Long expiry) {
  /** Checks the components. */
  public TcpGathering {
    Preconditions.present(host, "host");
    Preconditions.require(!host.isBlank(), "host is blank; a name or an address was expected");
    Preconditions.require(
        port >= 1 && port <= 65535, "port is " + port + "; 1 to 65535 was expected");
  }

  /** With the system's name lookup and without an expiry. */
  public TcpGathering(String host, int port) {
    this(host, port, HostLookup.SYSTEM, null);
  }

  /**
   * Gathers the messages of all ranks. Returns when all of them have called it.
   *
   * @param sameLength whether all messages must have the same length, as addresses of a group do
   * @param secret the shared secret of the ranks, or null
   */
  public List<byte[]> allGather(
      int rank,
      int size,
      byte[] mine,
      Duration timeout,
      boolean sameLength,
      @Nullable String secret) {
    Preconditions.require(
        rank >= 0 && rank < size, "rank is " + rank + "; 0 to " + (size - 1) + " was expected");
    int most = RendezvousProtocol.mostBytes(size);
    Preconditions.require(
        sameLength || mine.length <= most,
        "mine has " + mine.length + " bytes; at most " + most + " were expected");
    long until = System.nanoTime() + timeout.toNanos();
    if (expiry != null && expiry - until < 0) {
      until = expiry;
    }
    try {
      return rank == 0
          ? new RendezvousServer(
                  bindAddress(), port, size, mine, sameLength, secret, until, timeout)
              .gather()
          : new RendezvousClient(this, secret, rank, size, mine, sameLength, until, timeout)
              .gather();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Failures.interruption("interrupted while it waited for the other ranks", e);
    }
  }

  /**
   * The address to bind. Rank 0 need not be able to resolve its own name. A loopback host binds to
   * loopback, so that no other machine can connect.
   */
  private InetSocketAddress bindAddress() {
    if (HostLookup.isLoopbackName(host)) {
      return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }
    InetAddress literal = HostLookup.literal(host);
    return literal != null && literal.isLoopbackAddress()
        ? new InetSocketAddress(literal, port)
        : new InetSocketAddress(port);
  }

  /** Host and port, for messages. */
  public String where() {
    return (host.indexOf(':') >= 0 && !host.startsWith("[") ? "[" + host + "]" : host) + ":" + port;
  }
}
