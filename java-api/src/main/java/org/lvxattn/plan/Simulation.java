// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;

/**
 * Simulates the ranks' programs. A message starts to move once both sides have started it. It
 * occupies the sender's outgoing and the receiver's incoming link, after all earlier messages on
 * these links, and arrives one latency later.
 */
final class Simulation {
  /**
   * The result of a simulation.
   *
   * @param seconds time until the last rank is done
   * @param exposedSeconds the longest time that a rank waited
   * @param linkSeconds the longest time that an outgoing link was busy, without latencies
   */
  record Outcome(double seconds, double exposedSeconds, double linkSeconds) {}

  /** An action at a point in time; events at the same time run in the order of their creation. */
  private record Event(double time, long number, Runnable action) {}

  /** One side of a message that waits for the other side. */
  private record Post(Rank rank, int ticket, long bytes) {}

  private final class Rank {
    final int number;
    final List<RankProgram.Step> steps;
    final int[] open; // unfinished transfers by ticket
    int next;
    int awaited = -1;
    double waitsSince;
    double waited;

    Rank(int number, RankProgram program) {
      this.number = number;
      this.steps = program.steps();
      this.open = new int[program.tickets()];
    }

    /** Runs the program until it computes, waits or is done. */
    void run() {
      while (next < steps.size()) {
        switch (steps.get(next++)) {
          case RankProgram.Start start -> {
            open[start.ticket()] = start.transfers().size();
            for (RankProgram.Transfer transfer : start.transfers()) {
              post(this, start.ticket(), transfer);
            }
          }
          case RankProgram.Compute compute -> {
            at(now + compute.seconds(), this::run);
            return;
          }
          case RankProgram.Await await -> {
            if (open[await.ticket()] > 0) {
              awaited = await.ticket();
              waitsSince = now;
              return;
            }
          }
        }
      }
    }

    void complete(int ticket) {
      open[ticket]--;
      if (awaited == ticket && open[ticket] == 0) {
        awaited = -1;
        waited += now - waitsSince;
        run();
      }
    }
  }

  private final Topology topology;
  private final List<Rank> ranks = new ArrayList<>();
  private final PriorityQueue<Event> events =
      new PriorityQueue<>(Comparator.comparingDouble(Event::time).thenComparingLong(Event::number));
  private final Map<Long, ArrayDeque<Post>> sends = new HashMap<>();
  private final Map<Long, ArrayDeque<Post>> receives = new HashMap<>();
  // When each link becomes free. Inside nodes: indexed by rank; between nodes: by rank or by node.
  private final double[] intraOut;
  private final double[] intraIn;
  private final double[] interOut;
  private final double[] interIn;
  private final double[] intraBusy;
  private final double[] interBusy;
  private double now;
  private long made;

  private Simulation(Topology topology, List<RankProgram> programs) {
    this.topology = topology;
    int size = programs.size();
    intraOut = new double[size];
    intraIn = new double[size];
    interOut = new double[size];
    interIn = new double[size];
    intraBusy = new double[size];
    interBusy = new double[size];
    for (int rank = 0; rank < size; rank++) {
      ranks.add(new Rank(rank, programs.get(rank)));
    }
  }

  /** Simulates one program for each rank. */
  static Outcome run(Topology topology, List<RankProgram> programs) {
    return new Simulation(topology, programs).run();
  }

  private Outcome run() {
    for (Rank rank : ranks) {
      rank.run();
    }
    while (!events.isEmpty()) {
      Event event = events.poll();
      now = event.time();
      event.action().run();
    }
    double waited = 0;
    for (Rank rank : ranks) {
      if (rank.next < rank.steps.size() || rank.awaited >= 0) {
        throw new IllegalStateException("rank " + rank.number + " never finishes waiting");
      }
      waited = Math.max(waited, rank.waited);
    }
    return new Outcome(now, waited, Math.max(largest(intraBusy), largest(interBusy)));
  }

  private static double largest(double[] values) {
    double largest = 0;
    for (double value : values) {
      largest = Math.max(largest, value);
    }
    return largest;
  }

  private void at(double time, Runnable action) {
    events.add(new Event(time, made++, action));
  }

  private void post(Rank rank, int ticket, RankProgram.Transfer transfer) {
    int from = transfer.sends() ? rank.number : transfer.peer();
    int to = transfer.sends() ? transfer.peer() : rank.number;
    long line = (long) from * ranks.size() + to;
    Post post = new Post(rank, ticket, transfer.bytes());
    Post other =
        (transfer.sends() ? receives : sends).computeIfAbsent(line, l -> new ArrayDeque<>()).poll();
    if (other == null) {
      (transfer.sends() ? sends : receives)
          .computeIfAbsent(line, l -> new ArrayDeque<>())
          .add(post);
      return;
    }
    if (other.bytes() != post.bytes()) {
      throw new IllegalStateException(
          "rank "
              + from
              + " and rank "
              + to
              + " disagree: "
              + post.bytes()
              + " and "
              + other.bytes()
              + " bytes");
    }
    move(from, to, post, other);
  }

  private void move(int from, int to, Post post, Post other) {
    boolean inter = topology.isInter(from, to);
    Link link = inter ? topology.inter() : topology.intra();
    boolean shared = inter && topology.sharedInter();
    double[] out = inter ? interOut : intraOut;
    double[] in = inter ? interIn : intraIn;
    int sender = shared ? topology.nodeOf(from) : from;
    int receiver = shared ? topology.nodeOf(to) : to;
    double seconds = post.bytes() / link.bytesPerSecond();
    out[sender] = Math.max(now, out[sender]) + seconds;
    in[receiver] = Math.max(now, in[receiver]) + seconds;
    (inter ? interBusy : intraBusy)[sender] += seconds;
    at(
        Math.max(out[sender], in[receiver]) + link.latencySeconds(),
        () -> {
          post.rank().complete(post.ticket());
          other.rank().complete(other.ticket());
        });
  }
}
