// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.testing.Seeds;

/**
 * Whatever unauthenticated peers send to the port, the ranks connect, and those peers learn
 * nothing.
 */
@Timeout(120)
class HostileRendezvousTest {
  private static final boolean LONG = Boolean.getBoolean("lvxattn.long");
  private static final long SEED = Seeds.moved(1407);

  private static void assertGathers(Gathering gathering, FutureTask<List<String>> server)
      throws Exception {
    for (FutureTask<List<String>> rank : gathering.comeFrom(1)) {
      assertThat(Gathering.get(rank)).isEqualTo(gathering.expected());
    }
    assertThat(Gathering.get(server)).isEqualTo(gathering.expected());
  }

  @ParameterizedTest
  @EnumSource(HostilePeer.Kind.class)
  void ranksConnectDespiteAHostilePeer(HostilePeer.Kind kind) throws Exception {
    String none = null;
    for (String secret : new String[] {none, "a secret"}) {
      Gathering gathering = Gathering.of(3, secret);
      FutureTask<List<String>> server = gathering.come(0);
      gathering.awaitPort();
      List<HostilePeer> visitors = new ArrayList<>();
      try {
        for (int i = 0; i < 5; i++) {
          HostilePeer visitor = new HostilePeer(gathering.port());
          visitors.add(visitor);
          visitor.act(kind, secret, 3, new Random(SEED + i));
        }
      } catch (IOException e) {
        // The server dropped the connection early.
      }
      assertGathers(gathering, server);
      visitors.forEach(HostilePeer::close);
    }
  }

  @ParameterizedTest
  @NullSource
  @ValueSource(strings = "\u00e9 \ud83d\udd11")
  void ranksConnectDespiteManyForeignConnections(@Nullable String secret) throws Exception {
    int rounds = LONG ? 40 : 3;
    Random random = new Random(SEED);
    for (int round = 0; round < rounds; round++) {
      Gathering gathering = Gathering.of(random.nextInt(2, 7), secret);
      FutureTask<List<String>> server = gathering.come(0);
      gathering.awaitPort();
      List<Thread> threads = new ArrayList<>();
      int connections = LONG ? 200 : 60;
      for (int i = 0; i < connections; i++) {
        long seed = random.nextLong();
        threads.add(Thread.ofVirtual().start(() -> haunt(gathering, seed)));
      }
      try {
        assertGathers(gathering, server);
      } catch (Throwable e) {
        throw new AssertionError("round " + round, e);
      }
      for (Thread thread : threads) {
        thread.interrupt();
        thread.join();
      }
    }
  }

  /** Attacks repeatedly until the server has ended. */
  private static void haunt(Gathering gathering, long seed) {
    Random random = new Random(seed);
    HostilePeer.Kind[] kinds = HostilePeer.Kind.values();
    while (!Thread.currentThread().isInterrupted()) {
      try (HostilePeer visitor = new HostilePeer(gathering.port())) {
        HostilePeer.Kind kind = kinds[random.nextInt(kinds.length)];
        try {
          visitor.act(kind, gathering.secret(), gathering.size(), random);
        } catch (IOException e) {
          // The server dropped the connection.
        }
        HostilePeer.pause(random.nextInt(30));
      } catch (IOException e) {
        return;
      }
    }
  }

  @Test
  void aRecordedSessionIsOfNoUse() throws Exception {
    Gathering gathering = Gathering.of(3, "a secret");
    FutureTask<List<String>> server = gathering.come(0);
    gathering.awaitPort();
    byte[] proof = new byte[5 + RendezvousKeys.MAC_BYTES];
    byte[] greeting;
    try (HostilePeer overheard = new HostilePeer(gathering.port()).greet("a secret")) {
      greeting = overheard.greeting.clone();
      RendezvousKeys keys =
          new RendezvousKeys("a secret", overheard.greeting, overheard.answered, false);
      byte[] mac = keys.ofSent(RendezvousProtocol.PROOF, new byte[0]);
      proof[0] = RendezvousProtocol.PROOF;
      System.arraycopy(mac, 0, proof, 5, mac.length);
      overheard.connection.write(proof);
      assertThat(overheard.answer()).isEqualTo(RendezvousProtocol.PROOF);
    }
    try (HostilePeer replay = new HostilePeer(gathering.port())) {
      System.arraycopy(greeting, 0, replay.greeting, 0, greeting.length);
      replay.greet(null);
      replay.connection.write(proof);
      assertThat(replay.answer()).isEqualTo(RendezvousProtocol.REFUSED);
    }
    assertGathers(gathering, server);
  }

  @Test
  void theServersOwnProofProvesNothing() throws Exception {
    RendezvousKeys rank = new RendezvousKeys("a secret", new byte[44], new byte[41], false);
    RendezvousKeys server = new RendezvousKeys("a secret", new byte[44], new byte[41], true);
    byte[] proof = server.ofSent(RendezvousProtocol.PROOF, new byte[0]);
    assertThat(server.isAuthentic(RendezvousProtocol.PROOF, new byte[0], proof)).isFalse();
    assertThat(rank.isAuthentic(RendezvousProtocol.PROOF, new byte[0], proof)).isTrue();
    assertThat(rank.isAuthentic(RendezvousProtocol.PROOF, new byte[0], proof))
        .as("the same again")
        .isFalse();
  }

  @Test
  void foreignConnectionsLearnNothing() throws Exception {
    Gathering gathering = Gathering.of(2, "a secret");
    FutureTask<List<String>> server = gathering.come(0);
    gathering.awaitPort();
    try (HostilePeer visitor = new HostilePeer(gathering.port()).greet("guessed")) {
      visitor.connection.send(RendezvousProtocol.PROOF, new byte[0]);
      RendezvousConnection.Frame answer = visitor.connection.receive(2048, count -> {});
      assertThat(answer.type()).isEqualTo(RendezvousProtocol.REFUSED);
      assertThat(answer.body()).hasSize(5);
      assertThat(visitor.connection.read(new byte[1], 0, 1)).isEqualTo(-1);
    }
    assertGathers(gathering, server);
  }

  @Test
  void whoSaysNothingIsDroppedInTimeAndAllWhenTheGatheringEnds() throws Exception {
    Gathering gathering = new Gathering(Gathering.freePort(), 2, null, Duration.ofSeconds(8));
    FutureTask<List<String>> server = gathering.come(0);
    gathering.awaitPort();
    try (HostilePeer early = new HostilePeer(gathering.port())) {
      long begin = System.nanoTime();
      early.connection.write(new byte[] {'L', 'V', 'X'});
      assertThat(early.connection.read(new byte[1], 0, 1)).isEqualTo(-1);
      assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(8));
      try (HostilePeer late = new HostilePeer(gathering.port())) {
        assertThat(Gathering.failureOf(server)).hasMessageContaining("rank 1 did not come");
        assertThat(late.connection.read(new byte[1], 0, 1)).isEqualTo(-1);
      }
    }
  }

  @Test
  void manyIdleOnesMakeRoom() throws Exception {
    Gathering gathering = Gathering.of(3, null);
    FutureTask<List<String>> server = gathering.come(0);
    gathering.awaitPort();
    List<SocketChannel> idle = new ArrayList<>();
    for (int i = 0; i < 600; i++) {
      idle.add(new HostilePeer(gathering.port()).channel);
    }
    assertGathers(gathering, server);
    for (SocketChannel each : idle) {
      each.close();
    }
  }

  @Test
  void theLogHasALineForEachRejectedConnectionButNoFlood() throws Exception {
    List<LogRecord> lines = new ArrayList<>();
    Handler handler =
        new Handler() {
          @Override
          public synchronized void publish(LogRecord line) {
            lines.add(line);
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger("org.lvxattn");
    logger.addHandler(handler);
    try {
      Gathering gathering = Gathering.of(2, null);
      FutureTask<List<String>> server = gathering.come(0);
      gathering.awaitPort();
      for (int i = 0; i < 300; i++) {
        try (HostilePeer visitor = new HostilePeer(gathering.port())) {
          visitor.connection.write("SSH-2.0-\u001b[31m\r\n".getBytes(StandardCharsets.ISO_8859_1));
          assertThat(visitor.answer()).isEqualTo(-1);
        }
      }
      assertGathers(gathering, server);
    } finally {
      logger.removeHandler(handler);
    }
    List<LogRecord> seen;
    synchronized (handler) {
      seen = lines.stream().filter(line -> line.getMessage().contains("dropped")).toList();
    }
    assertThat(seen).hasSizeBetween(DroppedConnections.BURST, 100);
    assertThat(
            seen.stream()
                .map(
                    line ->
                        java.text.MessageFormat.format(line.getMessage(), line.getParameters())))
        .anyMatch(line -> line.contains("it is no rank, and said 'SSH-2.0-\\x1b[31m"));
  }
}
