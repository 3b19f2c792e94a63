// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.time.Duration;
import java.util.List;
import org.lvxattn.CpuOptions;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.GroupException;
import org.lvxattn.GroupOptions;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.Rendezvous;
import org.lvxattn.Strategy;

/** A plain main, as users write it: one rank, made from the environment. Talks by lines. */
final class RankMain {
  private RankMain() {}

  public static void main(String[] arguments) {
    GroupOptions options =
        GroupOptions.defaults().withDeadline(Duration.ofMillis(Long.getLong("deadline", 60_000)));
    try (Device device = Device.cpu(CpuOptions.defaults().withThreads(1))) {
      switch (arguments[0]) {
        case "exact" -> exact(device, Group.fromEnvironment(device, options));
        case "id" -> exact(device, byId(device, options));
        case "mismatch" -> mismatch(device, options);
        case "survive" -> survive(device, options, Integer.parseInt(arguments[1]), true);
        case "besieged" ->
            new BesiegedRank(device, options, millis(arguments[1]), millis(arguments[2]))
                .run(Long.parseLong(arguments[3]));
        case "endure" -> survive(device, options, 0, false);
        default -> throw new IllegalArgumentException(arguments[0]);
      }
    }
    say("END");
  }

  /** As a scheduler of one's own does that can spread a few bytes: NCCL's id, from rank 0. */
  private static Group byId(Device device, GroupOptions options) {
    int rank = Integer.parseInt(System.getenv("RANK"));
    int size = Integer.parseInt(System.getenv("WORLD_SIZE"));
    Rendezvous scheduler =
        Rendezvous.tcp(
            System.getenv("MASTER_ADDR"), Integer.parseInt(System.getenv("MASTER_PORT")));
    byte[] mine = rank == 0 ? Group.newNcclId() : new byte[0];
    byte[] id = scheduler.allGather(rank, size, mine, options.deadline()).getFirst();
    return Group.nccl(device, rank, size, id, "127.0.0.1", options);
  }

  private static void exact(Device device, Group joined) {
    try (Group group = joined;
        WholeProblem problem = new WholeProblem(device, 37, 211)) {
      for (Strategy strategy : Strategy.schedules()) {
        say("ERROR " + strategy + " " + problem.errorOf(group, strategy));
      }
    }
  }

  private static void mismatch(Device device, GroupOptions options) {
    try (Group group = Group.fromEnvironment(device, options);
        WholeProblem problem = new WholeProblem(device, 5, 9)) {
      Strategy strategy = group.rank() == 1 ? Strategy.KV_RING : Strategy.QUERY_RING;
      try {
        problem.errorOf(group, strategy);
        say("NO MISMATCH");
      } catch (PeerMismatchException e) {
        say("MISMATCH " + e.rank() + " " + e.getMessage());
      }
      say("ERROR again " + problem.errorOf(group, Strategy.QUERY_RING));
    }
  }

  /** Computes until a peer is lost, then with the others that are left. */
  private static void survive(Device device, GroupOptions options, int nextPort, boolean again) {
    int rank;
    int size;
    int lost;
    try (WholeProblem problem = new WholeProblem(device, 96, 700)) {
      // Processes of a busy machine may start seconds apart; only lost peers are to be noticed
      // soon.
      try (Group group = Group.fromEnvironment(device, GroupOptions.defaults())) {
        group.deadline(options.deadline());
        rank = group.rank();
        size = group.size();
        say("PID " + rank + " " + ProcessHandle.current().pid());
        lost = computeUntilLost(group, problem);
      }
      if (!again) {
        return;
      }
      int newRank = rank < lost ? rank : rank - 1;
      Rendezvous rendezvous = Rendezvous.tcp("127.0.0.1", nextPort);
      try (Group rest =
          Group.gloo(
              device,
              newRank,
              size - 1,
              rendezvous,
              "127.0.0.1",
              options.withDeadline(Duration.ofSeconds(30)))) {
        say("ERROR rest " + problem.errorOf(rest, Strategy.QUERY_RING));
      }
    }
  }

  private static int computeUntilLost(Group group, WholeProblem problem) {
    List<Strategy> strategies = Strategy.schedules();
    for (int call = 0; ; call++) {
      try {
        problem.errorOf(group, strategies.get(call % strategies.size()));
      } catch (GroupException e) {
        say("LOST " + e.rank() + " " + e.getClass().getSimpleName() + " " + e.getMessage());
        return e.rank();
      }
      if (call == 0) {
        say("READY");
      }
    }
  }

  private static Duration millis(String text) {
    return Duration.ofMillis(Long.parseLong(text));
  }

  static void say(String line) {
    System.out.println(line);
    System.out.flush();
  }
}
