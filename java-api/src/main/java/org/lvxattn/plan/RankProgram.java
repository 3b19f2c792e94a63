// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayList;
import java.util.List;

/** What one rank does in a call: computations, transfers, and waits for transfers, in order. */
final class RankProgram {
  /** One step of the program. */
  sealed interface Step permits Start, Compute, Await {}

  /** Starts transfers that are awaited together. */
  record Start(int ticket, List<Transfer> transfers) implements Step {}

  /** Computes. */
  record Compute(double seconds) implements Step {}

  /** Waits for the transfers of a {@link Start}. */
  record Await(int ticket) implements Step {}

  /** A message to or from a peer. Messages between two ranks match in the order of their starts. */
  record Transfer(boolean sends, int peer, long bytes) {}

  private final List<Step> steps = new ArrayList<>();
  private int tickets;
  private double computeSeconds;

  /** Starts a message; consecutive messages with the same ticket form one {@link Start}. */
  void start(int ticket, boolean sends, int peer, long bytes) {
    if (steps.isEmpty() || !(steps.getLast() instanceof Start last) || last.ticket() != ticket) {
      steps.add(new Start(ticket, new ArrayList<>()));
      tickets = Math.max(tickets, ticket + 1);
    }
    ((Start) steps.getLast()).transfers().add(new Transfer(sends, peer, bytes));
  }

  void compute(double seconds) {
    if (seconds == 0) {
      return;
    }
    computeSeconds += seconds;
    if (!steps.isEmpty() && steps.getLast() instanceof Compute last) {
      steps.set(steps.size() - 1, new Compute(last.seconds() + seconds));
    } else {
      steps.add(new Compute(seconds));
    }
  }

  void await(int ticket) {
    steps.add(new Await(ticket));
  }

  List<Step> steps() {
    return steps;
  }

  /** A number larger than every ticket. */
  int tickets() {
    return tickets;
  }

  double computeSeconds() {
    return computeSeconds;
  }
}
