// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/**
 * Blocks go round, results straight home. In step t rank r computes the block of home r - t, while
 * the next block arrives and the last result leaves; parts of its own block frame the visitors.
 */
final class RingSchedule implements Schedule {
  private final Blocks blocks;
  private final int size;

  RingSchedule(Blocks blocks) {
    this.blocks = blocks;
    this.size = blocks.ranks();
  }

  private int wrap(int rank) {
    return Math.floorMod(rank, size);
  }

  /** Who hands home's block to a worker: the predecessor, or home where that one was left out. */
  private int source(int home, int worker) {
    int before = wrap(worker - 1);
    return before == home || blocks.visits(home, before) ? before : home;
  }

  @Override
  public RankProgram program(int rank) {
    RankProgram program = new RankProgram();
    program.compute(blocks.beginSeconds(rank));
    for (int step = 0; step <= size; step++) {
      if (step + 1 < size) {
        moveBlocks(program, rank, step);
        moveSides(program, rank, step);
      }
      if (step >= 2) {
        moveResults(program, rank, step);
      }
      int ticket = program.start();
      compute(program, rank, step);
      program.await(ticket);
      int worker = wrap(rank + step - 1);
      if (step >= 2 && blocks.visits(rank, worker)) {
        program.compute(blocks.mergeSeconds(rank, worker));
      }
    }
    return program;
  }

  private void moveBlocks(RankProgram program, int rank, int step) {
    int next = wrap(rank - step - 1);
    if (blocks.visits(next, rank)) {
      program.receive(source(next, rank), blocks.block(next));
    }
    int held = wrap(rank - step);
    int successor = wrap(rank + 1);
    if (blocks.visits(held, successor) && source(held, successor) == rank) {
      program.send(successor, blocks.block(held));
    }
    int worker = wrap(rank + step + 1);
    if (step > 0 && blocks.visits(rank, worker) && source(rank, worker) == rank) {
      program.send(worker, blocks.block(rank));
    }
  }

  private void moveSides(RankProgram program, int rank, int step) {
    int home = wrap(rank - step - 1);
    if (blocks.visits(home, rank)) {
      program.receive(home, blocks.side(home, rank));
    }
    int worker = wrap(rank + step + 1);
    if (blocks.visits(rank, worker)) {
      program.compute(blocks.copySeconds(blocks.side(rank, worker)));
      program.send(worker, blocks.side(rank, worker));
    }
  }

  private void moveResults(RankProgram program, int rank, int step) {
    int home = wrap(rank - step + 1);
    if (blocks.visits(home, rank)) {
      program.send(home, blocks.result(home, rank));
    }
    int worker = wrap(rank + step - 1);
    if (blocks.visits(rank, worker)) {
      program.receive(worker, blocks.result(rank, worker));
    }
  }

  private void compute(RankProgram program, int rank, int step) {
    int home = wrap(rank - step);
    if (step == 0) {
      program.compute(blocks.ownFirstSeconds(rank));
    } else if (step == size) {
      program.compute(blocks.ownSecondSeconds(rank));
    } else if (blocks.visits(home, rank)) {
      program.compute(blocks.visitorSeconds(home, rank));
    }
  }

  @Override
  public long workspaceBytes(int rank) {
    long block = 0;
    long side = 0;
    long result = 0;
    long leavingSide = 0;
    long arrivingResult = 0;
    for (int peer = 0; peer < size; peer++) {
      if (blocks.visits(peer, rank)) {
        block = Math.max(block, blocks.block(peer));
        side = Math.max(side, blocks.side(peer, rank));
        result = Math.max(result, blocks.result(peer, rank));
      }
      if (blocks.visits(rank, peer)) {
        leavingSide = Math.max(leavingSide, blocks.side(rank, peer));
        arrivingResult = Math.max(arrivingResult, blocks.result(rank, peer));
      }
    }
    Workspace workspace = new Workspace();
    for (int i = 0; i < 2; i++) { // of even and odd steps
      workspace.reserve(block);
      workspace.reserve(side);
      workspace.reserve(result);
    }
    workspace.reserve(leavingSide);
    workspace.reserve(arrivingResult);
    blocks.reserve(rank, workspace);
    return workspace.bytes();
  }
}
