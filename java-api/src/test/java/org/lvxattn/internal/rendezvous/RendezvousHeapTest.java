// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.TestClassPath;
import org.lvxattn.launch.Rendezvous;
import org.lvxattn.testing.Seeds;

/**
 * Rank 0 in a separate JVM with little memory: claimed lengths allocate nothing, received bytes
 * little.
 */
@Timeout(120)
class RendezvousHeapTest {
  private static final int CONNECTIONS = 600;

  /** Rank 0 of three. */
  static final class Server {
    public static void main(String[] arguments) {
      List<byte[]> said =
          Rendezvous.tcp("127.0.0.1", Integer.parseInt(arguments[0]))
              .allGather(0, 3, "rank 0".getBytes(StandardCharsets.UTF_8), Duration.ofSeconds(60));
      System.out.println(said.size() + " came");
    }

    private Server() {}
  }

  @ParameterizedTest
  @EnumSource(names = {"OLD_AND_LYING", "HALF_AN_ADDRESS", "SAYS_NOTHING"})
  void sixHundredConnectionsDoNotExhaustIt(HostilePeer.Kind kind) throws Exception {
    Gathering gathering = new Gathering(Gathering.freePort(), 3, null, Duration.ofSeconds(60));
    Process server =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                TestClassPath.all(),
                Server.class.getName(),
                String.valueOf(gathering.port()))
            .redirectErrorStream(true)
            .start();
    List<HostilePeer> visitors = new ArrayList<>();
    try {
      gathering.awaitPort();
      for (int i = 0; i < CONNECTIONS; i++) {
        HostilePeer visitor = new HostilePeer(gathering.port());
        visitors.add(visitor);
        try {
          visitor.act(kind, null, 3, Seeds.random(i));
        } catch (IOException e) {
          // The server dropped the connection.
        }
      }
      for (FutureTask<List<String>> rank : gathering.comeFrom(1)) {
        assertThat(Gathering.get(rank)).isEqualTo(gathering.expected());
      }
      assertThat(server.waitFor(20, TimeUnit.SECONDS)).isTrue();
      String output = new String(server.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(output).endsWith("3 came\n").doesNotContain("OutOfMemory");
    } finally {
      visitors.forEach(HostilePeer::close);
      server.destroyForcibly();
    }
  }
}
