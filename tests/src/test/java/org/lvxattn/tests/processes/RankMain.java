// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.lvxattn.CpuOptions;
import org.lvxattn.Device;
import org.lvxattn.GroupException;
import org.lvxattn.GroupInterruptedException;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.Strategy;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.launch.Rendezvous;

/**
 * A main method as users write it: one rank, joined from the environment. Prints lines for the
 * test.
 */
final class RankMain {
  private RankMain() {}

  public static void main(String[] arguments) {
    GroupOptions options =
        GroupOptions.builder().timeout(Duration.ofMillis(Long.getLong("timeout", 60_000))).build();
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build())) {
      switch (arguments[0]) {
        case "exact" -> exact(device, Group.fromEnvironment(device, options));
        case "id" -> exact(device, byId(device, options));
        case "mismatch" -> mismatch(device, options);
        case "survive" -> survive(device, options, Integer.parseInt(arguments[1]), true);
        case "besieged" ->
            new HostileJobRank(device, options, millis(arguments[1]), millis(arguments[2]))
                .run(Long.parseLong(arguments[3]));
        case "endure" -> survive(device, options, 0, false);
        case "interrupted" -> beInterrupted(device, options, millis(arguments[1]));
        default -> throw new IllegalArgumentException(arguments[0]);
      }
    }
    say("END");
  }

  /** Like a scheduler that can broadcast a few bytes: distributes rank 0's NCCL id. */
  private static Group byId(Device device, GroupOptions options) {
    int rank = Integer.parseInt(System.getenv("RANK"));
    int size = Integer.parseInt(System.getenv("WORLD_SIZE"));
    Rendezvous scheduler =
        Rendezvous.tcp(
            System.getenv("MASTER_ADDR"), Integer.parseInt(System.getenv("MASTER_PORT")));
    byte[] mine = rank == 0 ? Group.newNcclId() : new byte[0];
    byte[] id = scheduler.allGather(rank, size, mine, options.timeout()).getFirst();
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

  /** Computes until a peer is lost, then in a new group of the surviving ranks. */
  private static void survive(Device device, GroupOptions options, int nextPort, boolean again) {
    int rank;
    int size;
    int lost;
    try (WholeProblem problem = new WholeProblem(device, 96, 700)) {
      // On a busy machine processes may start seconds apart; only lost peers must be noticed soon.
      try (Group group = Group.fromEnvironment(device, GroupOptions.defaults())) {
        group.setTimeout(options.timeout());
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
              options.toBuilder().timeout(Duration.ofSeconds(30)).build())) {
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

  /** Computes with the others; after a while, rank 0's thread is interrupted. */
  private static void beInterrupted(Device device, GroupOptions options, Duration pause) {
    try (WholeProblem problem = new WholeProblem(device, 96, 700);
        Group group = Group.fromEnvironment(device, options)) {
      say("PID " + group.rank() + " " + ProcessHandle.current().pid());
      Thread main = Thread.currentThread();
      AtomicLong interrupted = new AtomicLong();
      if (group.rank() == 0) {
        group.barrier();
        Thread.ofVirtual()
            .start(
                () -> {
                  LockSupport.parkNanos(pause.toNanos());
                  interrupted.set(System.nanoTime());
                  main.interrupt();
                });
      } else {
        group.barrier();
      }
      try {
        computeUntilLost(group, problem);
      } catch (GroupInterruptedException e) {
        long millis = (System.nanoTime() - interrupted.get()) / 1_000_000;
        say("INTERRUPTED " + Thread.interrupted() + " after " + millis + " ms: " + e.getMessage());
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
