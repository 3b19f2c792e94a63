// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.group.GroupOptions;

/**
 * A job of four processes computes while a hostile client attacks every port of theirs, from before
 * they connect until they have ended. With {@code -Dlvxattn.long=true}: for ten minutes.
 */
@Timeout(1200)
class HostileJobTest {
  private static final int SIZE = 4;
  private static final boolean LONG = Boolean.getBoolean("lvxattn.long");
  private static final Duration ALL = LONG ? Duration.ofMinutes(10) : Duration.ofSeconds(12);
  private static final Duration EACH_GROUP = LONG ? Duration.ofSeconds(15) : Duration.ofSeconds(1);
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  /** Allowed growth of a rank after its first groups, in KiB: noise of a JVM, not a leak. */
  private static final long GROWTH = 16 << 10;

  private static final Pattern HELD =
      Pattern.compile("HELD \\d+ calls (\\d+) worst (\\S+) kilobytes (\\d+) descriptors (\\d+)");

  /** State of a rank after one group. */
  private record Held(int calls, double worst, long kilobytes, long descriptors) {
    static Held of(String line) {
      Matcher words = HELD.matcher(line);
      assertThat(words.matches()).as(line).isTrue();
      return new Held(
          Integer.parseInt(words.group(1)),
          Double.parseDouble(words.group(2)),
          Long.parseLong(words.group(3)),
          Long.parseLong(words.group(4)));
    }
  }

  @Test
  void fourRanksComputeAmongAttacks() throws Exception {
    long seed = Long.getLong("lvxattn.seed", System.nanoTime());
    System.out.println("HostileJobTest: -Dlvxattn.seed=" + seed);
    int port = RankProcess.freePort();
    List<RankProcess> ranks = new CopyOnWriteArrayList<>();
    try (Relay rendezvous = new Relay(port, piece -> {});
        HostileClient client =
            new HostileClient(() -> portsOf(ranks, port), SIZE, recordedHandshakes(), seed)) {
      Thread.sleep(500);
      for (int rank = 0; rank < SIZE; rank++) {
        ranks.add(start(rank, rank == 1 ? rendezvous.port() : port, seed));
      }
      // Replays rank 1's own bytes of the group that it has just joined.
      ranks.get(1).await("MET 0", PATIENCE);
      rendezvous.said().forEach(client::replayToo);
      List<List<String>> lines = new ArrayList<>();
      for (RankProcess rank : ranks) {
        lines.add(rank.end(ALL.plus(PATIENCE)));
      }
      System.out.println("HostileJobTest: " + client);
      for (int rank = 0; rank < SIZE; rank++) {
        assertAllIsWell(rank, ranks.get(rank), lines.get(rank));
      }
      assertItWasAnAttack(client);
      assertThat(lines.getFirst())
          .as("a line for a rejected connection")
          .anyMatch(
              line -> line.contains("rank 0 dropped a connection while the group was made: 1"));
    } catch (Throwable e) {
      throw new AssertionError("-Dlvxattn.seed=" + seed, e);
    } finally {
      ranks.forEach(RankProcess::close);
    }
  }

  private static RankProcess start(int rank, int port, long seed) throws IOException {
    List<String> command =
        RankProcess.java(
            PATIENCE,
            "besieged",
            String.valueOf(ALL.toMillis()),
            String.valueOf(EACH_GROUP.toMillis()),
            String.valueOf(seed));
    // The heap has its full size from the start, so growth is a leak.
    command.addAll(1, List.of("-Xms256m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC"));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("RANK", String.valueOf(rank));
    builder.environment().put("WORLD_SIZE", String.valueOf(SIZE));
    builder.environment().put("MASTER_ADDR", "127.0.0.1");
    builder.environment().put("MASTER_PORT", String.valueOf(port));
    builder.environment().remove("LVX_SECRET");
    return new RankProcess(builder);
  }

  /** The ports of the job; the rendezvous port is attacked even before rank 0 listens. */
  private static List<OpenPorts.Port> portsOf(List<RankProcess> ranks, int rendezvous) {
    List<OpenPorts.Port> ports = new ArrayList<>();
    ports.add(new OpenPorts.Port(0, rendezvous, true));
    try {
      for (int rank = 0; rank < ranks.size(); rank++) {
        ports.addAll(OpenPorts.of(rank, ranks.get(rank).pid()));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return ports;
  }

  /** Handshakes recorded in another group of the same size and secret. */
  private static List<byte[]> recordedHandshakes() throws Exception {
    try (RelayedRanks others = new RelayedRanks(SIZE, piece -> {})) {
      GroupOptions options = GroupOptions.builder().secret(HostileJobRank.SECRET).build();
      for (FutureTask<Integer> rank :
          others.start(options, (device, group) -> group.allGather(new byte[1]).size())) {
        assertThat(rank.get(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isEqualTo(SIZE);
      }
      assertThat(others.said()).hasSize(2 * (SIZE - 1));
      return others.said();
    }
  }

  private static void assertAllIsWell(int rank, RankProcess process, List<String> lines) {
    String all = String.join("\n", lines);
    assertThat(process.exitValue()).as(all).isZero();
    assertThat(lines).contains("END");
    List<Held> groups =
        lines.stream().filter(line -> line.startsWith("HELD")).map(Held::of).toList();
    assertThat(groups).as(all).hasSizeGreaterThanOrEqualTo(3);
    long descriptors = groups.getFirst().descriptors();
    for (Held group : groups) {
      assertThat(group.descriptors()).as(all).isLessThanOrEqualTo(descriptors);
      assertThat(group.calls()).isPositive();
      assertThat(group.worst()).as(all).isLessThanOrEqualTo(1e-12);
    }
    Held warm = groups.get(groups.size() / 4);
    Held last = groups.getLast();
    System.out.println("HostileJobTest: rank " + rank + " first " + groups.getFirst());
    System.out.println("HostileJobTest: rank " + rank + " warm  " + warm);
    System.out.println("HostileJobTest: rank " + rank + " last  " + last);
    assertThat(last.kilobytes() - warm.kilobytes()).as(all).isLessThan(GROWTH);
  }

  private static void assertItWasAnAttack(HostileClient client) {
    for (HostileClient.Attack attack : HostileClient.Attack.values()) {
      assertThat(client.done(attack)).as(attack.toString()).isPositive();
    }
    for (int rank = 0; rank < SIZE; rank++) {
      assertThat(client.reached(rank)).as("connections to rank %d", rank).isPositive();
    }
    assertThat(client.refused()).as("ports of connections").isPositive();
  }
}
