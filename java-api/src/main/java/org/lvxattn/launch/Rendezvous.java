// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.launch;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.rendezvous.Secret;
import org.lvxattn.internal.rendezvous.TcpGathering;

/**
 * How processes that are to form a group find each other: one all-gather of small messages. {@link
 * #tcp} is one; the all-gather of a cluster manager is another, for instance {@code allGather} of
 * Spark's {@code BarrierTaskContext}.
 */
@FunctionalInterface
public interface Rendezvous {
  /**
   * Returns when all ranks have called it.
   *
   * @param rank of the caller, 0 to size - 1
   * @param size number of ranks, the same for all
   * @param mine this rank's message: opaque, at most a few hundred bytes for each rank of the group
   * @param timeout how long to wait for the others
   * @return the messages of all ranks, in rank order
   * @throws org.lvxattn.PeerTimeoutException naming a missing rank
   * @throws org.lvxattn.GroupJoinException if the ranks do not fit together, which waiting would
   *     not mend
   * @throws IllegalStateException if the thread was interrupted; it stays so
   */
  List<byte[]> allGather(int rank, int size, byte[] mine, Duration timeout);

  /**
   * As {@link #allGather}, of addresses by which the ranks of a group will connect: they are
   * equally long on all ranks, and may be longer than what ranks say otherwise.
   *
   * @param groupSecret the secret of the group's options, for a rendezvous that has none of its own
   *     and lets ranks prove one; or null
   */
  default List<byte[]> allGatherAddresses(
      int rank, int size, byte[] mine, Duration timeout, @Nullable String groupSecret) {
    return allGather(rank, size, mine, timeout);
  }

  /**
   * A rendezvous that rank 0 serves on a TCP port while it takes place; the others connect to it.
   *
   * <p>Its ranks authenticate each other by a secret, if there is one: that of the group's {@link
   * org.lvxattn.group.GroupOptions}, else the environment variable {@code LVX_SECRET}. Without one,
   * <em>anybody who reaches the port while it is open can join as any rank</em> that has not joined
   * yet, and learns the addresses of all. Nothing is encrypted.
   *
   * @param host the name or address by which all ranks reach rank 0's machine; a name that does not
   *     resolve yet is retried until the timeout. If it is the loopback device, other machines
   *     cannot reach the port
   * @param port a free port of that machine, 1 to 65535
   * @throws NullPointerException if host is null
   * @throws IllegalArgumentException if host is blank, or port is out of range
   */
  static Rendezvous tcp(String host, int port) {
    return new TcpRendezvous(new TcpGathering(host, port), null);
  }

  /**
   * As {@link #tcp(String, int)}, with a secret of the caller's.
   *
   * <p>Each side proves to the other that it knows the secret by HMAC-SHA-256 over random numbers
   * of both; it is never sent. Others are rejected with a reason. Whoever records the proofs can
   * guess secrets offline: use a long and random one.
   *
   * @param secret any text of 1 to 1024 bytes in UTF-8, the same on all ranks
   * @throws NullPointerException if host or secret is null
   * @throws IllegalArgumentException if host is blank, port is out of range, or secret is empty or
   *     too long
   */
  static Rendezvous tcp(String host, int port, String secret) {
    return new TcpRendezvous(new TcpGathering(host, port), Secret.require(secret, "secret"));
  }
}
