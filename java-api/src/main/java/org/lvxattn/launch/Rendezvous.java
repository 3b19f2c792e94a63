// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.launch;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.rendezvous.Secret;
import org.lvxattn.internal.rendezvous.TcpGathering;

/**
 * How the processes of a future group find each other: one all-gather of small messages. Use {@link
 * #tcp}, or implement it by the all-gather of a cluster manager, for instance {@code allGather} of
 * Spark's {@code BarrierTaskContext}.
 */
@FunctionalInterface
public interface Rendezvous {
  /**
   * Gathers the messages of all ranks. Returns when all of them have called it.
   *
   * @param rank of the caller, 0 to size - 1
   * @param size number of ranks, the same for all
   * @param mine this rank's message: opaque bytes, at most a few hundred for each rank of the group
   * @param timeout how long to wait for the others
   * @return the messages of all ranks, in rank order
   * @throws org.lvxattn.PeerTimeoutException that names a missing rank
   * @throws org.lvxattn.GroupJoinException if the ranks do not fit together, so that waiting would
   *     not help
   * @throws IllegalStateException if the thread was interrupted; its interrupt status stays set
   */
  List<byte[]> allGather(int rank, int size, byte[] mine, Duration timeout);

  /**
   * As {@link #allGather}, for the addresses by which the ranks of a group connect. They have the
   * same length on all ranks, and may be longer than other messages.
   *
   * @param groupSecret the secret of the group's options, or null. A rendezvous that authenticates
   *     ranks uses it if it has no secret of its own
   */
  default List<byte[]> allGatherAddresses(
      int rank, int size, byte[] mine, Duration timeout, @Nullable String groupSecret) {
    return allGather(rank, size, mine, timeout);
  }

  /**
   * A rendezvous over TCP: rank 0 serves it on a port for its duration, and the other ranks
   * connect.
   *
   * <p>The ranks authenticate each other by a secret, if there is one: the secret of the group's
   * {@link org.lvxattn.group.GroupOptions}, else the environment variable {@code LVX_SECRET}.
   * Without a secret, <em>anybody who reaches the port while it is open can join as any rank</em>
   * that has not joined yet, and learns the addresses of all ranks. Nothing is encrypted.
   *
   * @param host the name or address by which all ranks reach rank 0's machine; a name that does not
   *     resolve yet is retried until the timeout. With a loopback address, other machines cannot
   *     reach the port
   * @param port a free port of that machine, 1 to 65535
   * @throws NullPointerException if host is null
   * @throws IllegalArgumentException if host is blank, or port is out of range
   */
  static Rendezvous tcp(String host, int port) {
    return new TcpRendezvous(new TcpGathering(host, port), null);
  }

  /**
   * As {@link #tcp(String, int)}, with the given secret.
   *
   * <p>Each side proves to the other that it knows the secret, by HMAC-SHA-256 over random numbers
   * of both sides. The secret is never sent. Processes that do not know it are rejected with a
   * reason. Anyone who records the proofs can guess secrets offline: use a long, random secret.
   *
   * @param secret 1 to 1024 bytes in UTF-8, the same on all ranks
   * @throws NullPointerException if host or secret is null
   * @throws IllegalArgumentException if host is blank, port is out of range, or secret is empty or
   *     too long
   */
  static Rendezvous tcp(String host, int port, String secret) {
    return new TcpRendezvous(new TcpGathering(host, port), Secret.require(secret, "secret"));
  }
}
