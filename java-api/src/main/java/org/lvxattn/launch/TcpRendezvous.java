// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.launch;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.rendezvous.Secret;
import org.lvxattn.internal.rendezvous.TcpGathering;

/**
 * The rendezvous over TCP.
 *
 * @param secret the shared secret of the ranks; null for the group's secret, or else {@code
 *     LVX_SECRET}
 */
record TcpRendezvous(TcpGathering gathering, @Nullable String secret) implements Rendezvous {
  @Override
  public List<byte[]> allGather(int rank, int size, byte[] mine, Duration timeout) {
    String known = secret != null ? secret : Secret.ofEnvironment(System::getenv);
    return gathering.allGather(rank, size, mine, timeout, false, known);
  }

  @Override
  public List<byte[]> allGatherAddresses(
      int rank, int size, byte[] mine, Duration timeout, @Nullable String groupSecret) {
    String known = secret != null ? secret : groupSecret;
    return gathering.allGather(rank, size, mine, timeout, true, known);
  }

  /** Without the secret. */
  @Override
  public String toString() {
    return "Rendezvous[" + gathering.where() + (secret == null ? "]" : ", secret]");
  }
}
