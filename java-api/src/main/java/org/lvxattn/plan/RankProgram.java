// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayList;
import java.util.List;

/** What one rank does in a call: computations, transfers, and waits for transfers, in order. */
final class RankProgram {
  /** One step of it. */
  sealed interface Step permits Start, Compute, Await {}

  /** Starts transfers that complete together. */
  record Start(int ticket, List<Transfer> transfers) implements Step {}

  /** Computes. */
  record Compute(double seconds) implements Step {}

  /** Waits for the transfers of a start. */
  record Await(int ticket) implements Step {}

  /** A message to or from a peer. Messages between two ranks match in the order of their starts. */
  record Transfer(boolean sends, int peer, long bytes) {}

  private final List<Step> steps = new ArrayList<>();
  private List<Transfer> transfers = new ArrayList<>();
  private int tickets;

  /** Adds a message to the next start; an empty one is none. */
  void send(int to, long bytes) {
    if (bytes > 0) {
      transfers.add(new Transfer(true, to, bytes));
    }
  }

  /** Adds a message to the next start; an empty one is none. */
  void receive(int from, long bytes) {
    if (bytes > 0) {
      transfers.add(new Transfer(false, from, bytes));
    }
  }

  /** Starts what was added; returns what to wait for. */
  int start() {
    steps.add(new Start(tickets, transfers));
    transfers = new ArrayList<>();
    return tickets++;
  }

  void compute(double seconds) {
    if (seconds > 0) {
      steps.add(new Compute(seconds));
    }
  }

  void await(int ticket) {
    steps.add(new Await(ticket));
  }

  List<Step> steps() {
    return steps;
  }

  int tickets() {
    return tickets;
  }

  /** What it costs, beside the time that it waits. */
  RankPlan cost(int rank, Topology topology, long peakBytes) {
    long bytes = 0;
    long messages = 0;
    long interNodeBytes = 0;
    double computeSeconds = 0;
    for (Step step : steps) {
      switch (step) {
        case Start start -> {
          for (Transfer transfer : start.transfers()) {
            if (transfer.sends()) {
              bytes += transfer.bytes();
              messages++;
              interNodeBytes += topology.isInter(rank, transfer.peer()) ? transfer.bytes() : 0;
            }
          }
        }
        case Compute compute -> computeSeconds += compute.seconds();
        case Await await -> {}
      }
    }
    return new RankPlan(bytes, messages, interNodeBytes, peakBytes, computeSeconds);
  }
}
