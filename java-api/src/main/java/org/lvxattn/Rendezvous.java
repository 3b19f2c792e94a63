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
   * @throws DeadlineExceededException naming a rank that did not come
   * @throws GroupJoinException if the ranks do not fit together, which waiting would not mend
   * @throws IllegalStateException if the thread was interrupted; it stays so
   */
  List<byte[]> allGather(int rank, int size, byte[] mine, Duration timeout);

  /**
   * A rendezvous that rank 0 serves on a TCP port while it takes place; the others connect to it.
   *
   * <p>Its ranks prove to one another that they know a secret, if there is one: that of the group's
   * {@link GroupOptions}, else what the environment variable {@code LVX_SECRET} says. Without one,
   * <em>anybody who reaches the port while it is open can join as any rank</em> that has not come
   * yet, and is told the addresses of all. Nothing is encrypted.
   *
   * @param host the name or address by which all ranks reach rank 0's machine; a name that is not
   *     known yet is asked for until the timeout. If it is the loopback device, other machines
   *     cannot reach the port
   * @param port a free port of that machine, 1 to 65535
   * @throws NullPointerException if host is null
   * @throws IllegalArgumentException if host is blank, or port is out of range
   */
  static Rendezvous tcp(String host, int port) {
    return new TcpRendezvous(host, port, null);
  }

  /**
   * As {@link #tcp(String, int)}, with a secret of the caller's.
   *
   * <p>Each side proves to the other that it knows the secret by HMAC-SHA-256 over random numbers
   * of both; it is never sent. Whoever does not know it is dropped, and told so. Who sees the
   * proofs go by can try out guesses: take a long and random secret.
   *
   * @param secret any text of 1 to 1024 bytes in UTF-8, alike on all ranks
   * @throws NullPointerException if host or secret is null
   * @throws IllegalArgumentException if host is blank, port is out of range, or secret is empty or
   *     too long
   */
  static Rendezvous tcp(String host, int port, String secret) {
    GroupOptions.requireSecret(Arguments.present(secret, "secret"), "secret");
    return new TcpRendezvous(host, port, secret);
  }
}
