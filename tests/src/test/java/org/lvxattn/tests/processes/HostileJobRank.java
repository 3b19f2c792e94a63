// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.lvxattn.Device;
import org.lvxattn.Strategy;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.launch.Rendezvous;

/**
 * One rank of a job under attack. It joins a group, computes and leaves, repeatedly. In each group
 * another rank is late, so that the ports of the others stay open for long.
 */
final class HostileJobRank {
  static final String SECRET = "open sesame";

  private static final byte GO_ON = 0;
  private static final byte NEXT_GROUP = 1;
  private static final byte END = 2;

  private static final int LATE_MILLIS = 1500;
  private static final int SIZE = Integer.parseInt(System.getenv("WORLD_SIZE"));
  private static final int RANK = Integer.parseInt(System.getenv("RANK"));
  private static final String HOST = System.getenv("MASTER_ADDR");
  private static final int PORT = Integer.parseInt(System.getenv("MASTER_PORT"));

  private final Device device;
  private final GroupOptions options;
  private final Duration eachGroup;
  private final long end;
  private int calls;
  private double worst;

  HostileJobRank(Device device, GroupOptions options, Duration all, Duration eachGroup) {
    this.device = device;
    this.options = options;
    this.eachGroup = eachGroup;
    this.end = System.nanoTime() + all.toNanos();
  }

  void run(long seed) {
    Random random = new Random(seed); // the same on all ranks
    try (WholeProblem problem = new WholeProblem(device, 37, 211)) {
      byte verdict = NEXT_GROUP;
      for (int number = 0; verdict != END; number++) {
        boolean late = random.nextInt(SIZE) == RANK;
        calls = 0;
        worst = 0;
        try (Group group = number % 2 == 0 ? fromEnvironment(late) : bySecret(late)) {
          RankMain.say("MET " + number);
          verdict = compute(group, problem);
        }
        RankMain.say(
            String.format(
                "HELD %d calls %d worst %s kilobytes %d descriptors %d",
                number, calls, worst, residentKilobytes(), descriptors()));
      }
    }
  }

  /** The late rank is late at the rendezvous. */
  private Group fromEnvironment(boolean late) {
    pause(late ? LATE_MILLIS : 0);
    return Group.fromEnvironment(device, options);
  }

  /** The late rank lets the others wait on their own ports. */
  private Group bySecret(boolean late) {
    Rendezvous meeting =
        (rank, size, mine, timeout) -> {
          List<byte[]> all =
              Rendezvous.tcp(HOST, PORT, SECRET).allGather(rank, size, mine, timeout);
          pause(late ? LATE_MILLIS : 0);
          return all;
        };
    return Group.gloo(
        device, RANK, SIZE, meeting, HOST, options.toBuilder().secret(SECRET).build());
  }

  private byte compute(Group group, WholeProblem problem) {
    long until = System.nanoTime() + eachGroup.toNanos();
    List<Strategy> strategies = Strategy.schedules();
    while (true) {
      double error = problem.errorOf(group, strategies.get(calls % strategies.size()));
      worst = Math.max(worst, error); // keeps NaN
      calls++;
      byte mine =
          System.nanoTime() - end >= 0 ? END : System.nanoTime() - until >= 0 ? NEXT_GROUP : GO_ON;
      byte verdict = group.allGather(new byte[] {mine}).getFirst()[0]; // rank 0's
      if (verdict != GO_ON) {
        return verdict;
      }
      pause(5); // the processors are for the attack, too
    }
  }

  private static void pause(int millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static long residentKilobytes() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      String line = lines.filter(each -> each.startsWith("VmRSS:")).findFirst().orElseThrow();
      return Long.parseLong(line.replaceAll("\\D", ""));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Number of open file descriptors, including the one that lists them. */
  private static long descriptors() {
    try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
      return open.count();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
