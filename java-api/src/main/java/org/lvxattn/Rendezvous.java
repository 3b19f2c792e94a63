// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.time.Duration;
import java.util.List;

/**
 * How processes that are to form a group find each other: every rank says something small, and
 * every rank gets what all have said. What a cluster manager offers for that fits as well as {@link
 * #tcp}: the {@code allGather} of Spark's {@code BarrierTaskContext}, for instance.
 */
@FunctionalInterface
public interface Rendezvous {
  /**
   * Returns when all ranks have called it.
   *
   * @param rank of the caller, 0 to size - 1
   * @param size number of ranks, the same for all
   * @param mine what this rank says: opaque, at most a few hundred bytes for each rank of the group
   * @param timeout how long to wait for the others
   * @return what the ranks have said, in rank order
   * @throws GroupException naming a rank that did not come
   */
  List<byte[]> allGather(int rank, int size, byte[] mine, Duration timeout);

  /**
   * A rendezvous that rank 0 serves on a TCP port while it takes place; the others connect to it.
   * Neither encrypted nor authenticated: for networks whose machines trust each other.
   *
   * @param host the name or address by which all ranks reach rank 0's machine
   * @param port a free port of that machine, 1 to 65535
   * @throws NullPointerException if host is null
   * @throws IllegalArgumentException if port is out of range
   */
  static Rendezvous tcp(String host, int port) {
    return new TcpRendezvous(host, port);
  }
}
