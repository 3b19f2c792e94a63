// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Preconditions;

/**
 * A rendezvous over TCP at one address: {@link RendezvousServer} is rank 0's part, {@link
 * RendezvousClient} the others'.
 *
 * @param host rank 0's name or address
 * @param port rank 0's port
 * @param lookup finds the host
 * @param expiry when it is too late whatever the timeout, by {@link System#nanoTime}; null for no
 *     such moment
 */
public record TcpGathering(String host, int port, HostLookup lookup, @Nullable Long expiry) {
  /** Checks the components. */
  public TcpGathering {
    Preconditions.present(host, "host");
    Preconditions.require(!host.isBlank(), "host is blank; a name or an address was expected");
    Preconditions.require(
        port >= 1 && port <= 65535, "port is " + port + "; 1 to 65535 was expected");
  }

  /** By the system's lookup of names, at any time. */
  public TcpGathering(String host, int port) {
    this(host, port, HostLookup.SYSTEM, null);
  }

  /**
   * Returns when all ranks have called it.
   *
   * @param sameLength whether all ranks say equally much, as addresses of a group do
   * @param secret what the ranks prove to know, or null
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
      throw new IllegalStateException("interrupted while waiting for the other ranks", e);
    }
  }

  /**
   * Rank 0 need not be able to find itself by name. Where the host is the loopback device, nobody
   * else shall reach it.
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

  /** For messages. */
  public String where() {
    return (host.indexOf(':') >= 0 && !host.startsWith("[") ? "[" + host + "]" : host) + ":" + port;
  }
}
