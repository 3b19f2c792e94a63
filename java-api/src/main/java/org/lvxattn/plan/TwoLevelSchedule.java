// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.ArrayList;
import java.util.List;

/**
 * A block enters each other node once, at its door, which hands it to the node's other workers,
 * merges their results and sends one sum home. In round t a node computes the blocks of the node t
 * before it, while those of the next two rounds arrive and the results of the last two leave.
 */
final class TwoLevelSchedule implements Schedule {
  private static final int NONE = -1;
  private static final int ROUNDS_AT_ONCE = 5;

  /** Another rank's block here. */
  private record Visitor(int home, int door) {}

  /** A worker's result that comes to this rank, the door of home's block. */
  private record Arrival(int home, int worker) {}

  /** What a rank has to do in one round; door is where its own block enters the node in turn. */
  private record Round(List<Visitor> visitors, List<Arrival> arrivals, int door) {}

  private final Blocks blocks;
  private final int size;
  private final int perNode;
  private final int nodes;

  TwoLevelSchedule(Blocks blocks, int ranksPerNode) {
    this.blocks = blocks;
    this.size = blocks.ranks();
    this.perNode = Math.min(ranksPerNode, size);
    this.nodes = (size + perNode - 1) / perNode;
  }

  private int end(int node) {
    return Math.min(size, (node + 1) * perNode);
  }

  private int doorOf(int home, int node) {
    int first = node * perNode;
    int count = end(node) - first;
    for (int i = 0; i < count; i++) {
      int rank = first + (home % perNode + i) % count;
      if (blocks.visits(home, rank)) {
        return rank;
      }
    }
    return NONE;
  }

  private List<Round> rounds(int rank) {
    List<Round> rounds = new ArrayList<>();
    int node = rank / perNode;
    for (int number = 0; number < nodes; number++) {
      int homeNode = Math.floorMod(node - number, nodes);
      List<Visitor> visitors = new ArrayList<>();
      List<Arrival> arrivals = new ArrayList<>();
      for (int home = homeNode * perNode; home < end(homeNode); home++) {
        int door = number == 0 ? home : doorOf(home, node);
        if (blocks.visits(home, rank)) {
          visitors.add(new Visitor(home, door));
        }
        if (door == rank) {
          addArrivals(arrivals, home, rank);
        }
      }
      int own = number == 0 ? NONE : doorOf(rank, (node + number) % nodes);
      rounds.add(new Round(visitors, arrivals, own));
    }
    return rounds;
  }

  private void addArrivals(List<Arrival> arrivals, int home, int door) {
    int node = door / perNode;
    for (int worker = node * perNode; worker < end(node); worker++) {
      if (worker != door && blocks.visits(home, worker)) {
        arrivals.add(new Arrival(home, worker));
      }
    }
  }

  @Override
  public RankProgram program(int rank) {
    RankProgram program = new RankProgram();
    List<Round> rounds = rounds(rank);
    program.compute(blocks.beginSeconds(rank));
    for (int round = -1; round <= nodes + 1; round++) {
      moveToDoors(program, rank, rounds, round + 2);
      moveToWorkers(program, rank, rounds, round + 1);
      moveToSums(program, rank, rounds, round - 1);
      moveHome(program, rank, rounds, round - 2);
      int ticket = program.start();
      compute(program, rank, rounds, round);
      program.await(ticket);
      merge(program, rank, rounds, round);
    }
    return program;
  }

  private boolean has(int round) {
    return round >= 0 && round < nodes;
  }

  private void moveToDoors(RankProgram program, int rank, List<Round> rounds, int number) {
    if (!has(number)) {
      return;
    }
    Round round = rounds.get(number);
    if (round.door() != NONE) {
      program.send(round.door(), blocks.block(rank));
    }
    for (Visitor visitor : round.visitors()) {
      if (visitor.door() == rank) {
        program.receive(visitor.home(), blocks.block(visitor.home()));
      }
    }
  }

  private void moveToWorkers(RankProgram program, int rank, List<Round> rounds, int number) {
    if (!has(number)) {
      return;
    }
    for (Arrival arrival : rounds.get(number).arrivals()) {
      program.send(arrival.worker(), blocks.block(arrival.home()));
    }
    for (Visitor visitor : rounds.get(number).visitors()) {
      if (visitor.door() != rank) {
        program.receive(visitor.door(), blocks.block(visitor.home()));
      }
    }
  }

  private void moveToSums(RankProgram program, int rank, List<Round> rounds, int number) {
    if (!has(number)) {
      return;
    }
    for (Visitor visitor : rounds.get(number).visitors()) {
      if (visitor.door() != rank) {
        program.send(visitor.door(), blocks.result(visitor.home(), rank));
      }
    }
    for (Arrival arrival : rounds.get(number).arrivals()) {
      program.receive(arrival.worker(), blocks.result(arrival.home(), arrival.worker()));
    }
  }

  private void moveHome(RankProgram program, int rank, List<Round> rounds, int number) {
    if (!has(number)) {
      return;
    }
    Round round = rounds.get(number);
    for (Visitor visitor : round.visitors()) {
      if (visitor.door() == rank) {
        program.send(visitor.home(), blocks.result(visitor.home(), rank));
      }
    }
    if (round.door() != NONE) {
      program.receive(round.door(), blocks.result(rank, round.door()));
    }
  }

  private void compute(RankProgram program, int rank, List<Round> rounds, int number) {
    if (number == -1) {
      program.compute(blocks.ownFirstSeconds(rank));
    } else if (number == nodes + 1) {
      program.compute(blocks.ownSecondSeconds(rank));
    } else if (has(number)) {
      for (Visitor visitor : rounds.get(number).visitors()) {
        program.compute(blocks.visitorSeconds(visitor.home(), rank));
      }
    }
  }

  private void merge(RankProgram program, int rank, List<Round> rounds, int number) {
    if (has(number - 1)) {
      for (Arrival arrival : rounds.get(number - 1).arrivals()) {
        program.compute(blocks.mergeSeconds(arrival.home(), arrival.worker()));
      }
    }
    if (has(number - 2) && rounds.get(number - 2).door() != NONE) {
      program.compute(blocks.mergeSeconds(rank, rounds.get(number - 2).door()));
    }
  }

  @Override
  public long workspaceBytes(int rank) {
    long largest = 0;
    for (Round round : rounds(rank)) {
      largest = Math.max(largest, roundBytes(rank, round));
    }
    Workspace workspace = new Workspace();
    for (int i = 0; i < Math.min(ROUNDS_AT_ONCE, nodes); i++) {
      workspace.reserve(largest);
    }
    blocks.reserve(rank, workspace);
    return workspace.bytes();
  }

  private long roundBytes(int rank, Round round) {
    Workspace workspace = new Workspace();
    for (Visitor visitor : round.visitors()) {
      workspace.reserve(blocks.block(visitor.home()));
      workspace.reserve(blocks.result(visitor.home(), rank));
      if (visitor.door() == rank) {
        workspace.reserve(blocks.sum(visitor.home()));
      }
    }
    for (Arrival arrival : round.arrivals()) {
      workspace.reserve(blocks.result(arrival.home(), arrival.worker()));
    }
    if (round.door() != NONE) {
      workspace.reserve(blocks.result(rank, round.door()));
    }
    return workspace.bytes();
  }
}
