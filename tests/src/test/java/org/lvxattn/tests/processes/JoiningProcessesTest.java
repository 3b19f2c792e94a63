// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.Strategy;

/** Processes that join under unusual circumstances. */
@Timeout(300)
class JoiningProcessesTest {
  private static final Duration LONG = Duration.ofSeconds(60);

  private static RankProcess start(
      int rank, int size, String master, int port, String secret, List<String> flags)
      throws IOException {
    List<String> command = RankProcess.java(LONG, "exact");
    command.addAll(1, flags);
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("RANK", String.valueOf(rank));
    builder.environment().put("WORLD_SIZE", String.valueOf(size));
    builder.environment().put("MASTER_ADDR", master);
    builder.environment().put("MASTER_PORT", String.valueOf(port));
    builder.environment().put("LVX_SECRET", secret);
    return new RankProcess(builder);
  }

  private static void assertExact(RankProcess rank) throws InterruptedException {
    Expectations.exact(rank.end(LONG), Strategy.schedules().size());
    assertThat(rank.exitValue()).isZero();
  }

  /** As in Kubernetes, where a pod's name becomes known seconds after the pods have started. */
  @Test
  void rankZerosNameMayBecomeKnownLater(@TempDir Path folder) throws Exception {
    Path hosts = folder.resolve("hosts");
    List<String> flags =
        List.of("-Djdk.net.hosts.file=" + hosts, "-Dsun.net.inetaddr.negative.ttl=1");
    int port = RankProcess.freePort();
    List<RankProcess> ranks = new ArrayList<>();
    try {
      for (int rank = 0; rank < 3; rank++) {
        ranks.add(start(rank, 3, "lvx-0.lvx", port, "a secret", flags));
      }
      ranks.get(1).await("WARNING: the host name 'lvx-0.lvx' is not known yet", LONG);
      Path half = Files.writeString(folder.resolve("half"), "127.0.0.1 lvx-0.lvx\n");
      Files.move(half, hosts);
      for (RankProcess rank : ranks) {
        assertExact(rank);
      }
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }

  @Test
  void aProcessWithAnotherSecretIsToldSoAndTheOthersGoOn() throws Exception {
    int port = RankProcess.freePort();
    List<RankProcess> ranks = new ArrayList<>();
    try {
      for (int rank = 0; rank < 2; rank++) {
        ranks.add(start(rank, 3, "127.0.0.1", port, "a secret", List.of()));
      }
      RankProcess impostor = start(2, 3, "127.0.0.1", port, "a guess", List.of());
      ranks.add(impostor);
      assertThat(String.join("\n", impostor.end(LONG)))
          .contains("GroupJoinException")
          .contains("has another secret than this rank");
      ranks.remove(impostor);
      ranks.add(start(2, 3, "127.0.0.1", port, "a secret", List.of()));
      for (RankProcess rank : ranks) {
        assertExact(rank);
      }
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }
}
