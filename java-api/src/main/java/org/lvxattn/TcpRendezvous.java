// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The rendezvous over TCP: {@link RendezvousServer} is rank 0's part, {@link RendezvousClient} the
 * others'.
 *
 * @param secret what the ranks prove to know; null for the group's, or else what {@code LVX_SECRET}
 *     says
 * @param lookup finds the host
 * @param expiry when it is too late whatever the timeout, by {@link System#nanoTime}; null for no
 *     such moment
 */
record TcpRendezvous(
    String host, int port, @Nullable String secret, HostLookup lookup, @Nullable Long expiry)
    implements Rendezvous {
  TcpRendezvous {
    Arguments.present(host, "host");
    Arguments.require(!host.isBlank(), "host is blank; a name or an address was expected");
    Arguments.require(port >= 1 && port <= 65535, "port is " + port + "; 1 to 65535 was expected");
  }

  TcpRendezvous(String host, int port, @Nullable String secret) {
    this(host, port, secret, HostLookup.SYSTEM, null);
  }

  @Override
  public List<byte[]> allGather(int rank, int size, byte[] mine, Duration timeout) {
    String told =
        secret != null ? secret : GroupOptions.defaults().withEnvironment(System::getenv).secret();
    return allGather(rank, size, mine, timeout, false, told);
  }

  /**
   * As {@link #allGather(int, int, byte[], Duration)} for the addresses of a group, which have the
   * same length on all ranks.
   *
   * @param ofGroup the group's secret, where this rendezvous has none of its own
   */
  List<byte[]> allGatherAddresses(
      int rank, int size, byte[] mine, Duration timeout, @Nullable String ofGroup) {
    return allGather(rank, size, mine, timeout, true, secret != null ? secret : ofGroup);
  }

  private List<byte[]> allGather(
      int rank,
      int size,
      byte[] mine,
      Duration timeout,
      boolean sameLength,
      @Nullable String secret) {
    Arguments.require(
        rank >= 0 && rank < size, "rank is " + rank + "; 0 to " + (size - 1) + " was expected");
    int most = RendezvousProtocol.mostBytes(size);
    Arguments.require(
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
  String where() {
    return (host.indexOf(':') >= 0 && !host.startsWith("[") ? "[" + host + "]" : host) + ":" + port;
  }

  /** Without the secret. */
  @Override
  public String toString() {
    return String.format(
        Locale.ROOT, "Rendezvous[%s%s]", where(), secret == null ? "" : ", secret");
  }
}
