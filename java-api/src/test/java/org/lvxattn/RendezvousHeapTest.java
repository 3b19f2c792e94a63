// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Rank 0 in a JVM of its own, with little memory: claims cost it nothing, bytes a little. */
@Timeout(120)
class RendezvousHeapTest {
  private static final int STRANGERS = 600;

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
  void sixHundredConnectionsDoNotExhaustIt(HostileVisitor.Kind kind) throws Exception {
    Gathering gathering = new Gathering(Gathering.freePort(), 3, null, Duration.ofSeconds(60));
    Process server =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                FootprintTest.everything(),
                Server.class.getName(),
                String.valueOf(gathering.port()))
            .redirectErrorStream(true)
            .start();
    List<HostileVisitor> visitors = new ArrayList<>();
    try {
      gathering.awaitPort();
      for (int i = 0; i < STRANGERS; i++) {
        HostileVisitor visitor = new HostileVisitor(gathering.port());
        visitors.add(visitor);
        try {
          visitor.act(kind, null, 3, new Random(i));
        } catch (IOException e) {
          // It was dropped.
        }
      }
      for (FutureTask<List<String>> rank : gathering.comeFrom(1)) {
        assertThat(Gathering.get(rank)).isEqualTo(gathering.expected());
      }
      assertThat(server.waitFor(20, TimeUnit.SECONDS)).isTrue();
      String output = new String(server.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(output).endsWith("3 came\n").doesNotContain("OutOfMemory");
    } finally {
      visitors.forEach(HostileVisitor::close);
      server.destroyForcibly();
    }
  }
}
