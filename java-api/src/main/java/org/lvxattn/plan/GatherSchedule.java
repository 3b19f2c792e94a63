// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/** All blocks are in flight from the start; each result goes home while the next is computed. */
final class GatherSchedule implements Schedule {
  private final Blocks blocks;
  private final int size;

  GatherSchedule(Blocks blocks) {
    this.blocks = blocks;
    this.size = blocks.ranks();
  }

  private int home(int rank, int step) {
    return Math.floorMod(rank - step, size);
  }

  private int worker(int rank, int step) {
    return (rank + step) % size;
  }

  @Override
  public RankProgram program(int rank) {
    RankProgram program = new RankProgram();
    program.compute(blocks.beginSeconds(rank));
    int[] arrivals = new int[size];
    for (int step = 1; step < size; step++) {
      arrivals[step] = startBlocks(program, rank, step);
    }
    program.compute(blocks.ownFirstSeconds(rank));
    int[] results = new int[size];
    for (int step = 1; step < size; step++) {
      program.await(arrivals[step]);
      int home = home(rank, step);
      if (blocks.visits(home, rank)) {
        program.compute(blocks.visitorSeconds(home, rank));
      }
      results[step] = startResults(program, rank, step);
    }
    program.compute(blocks.ownSecondSeconds(rank));
    for (int step = 1; step < size; step++) {
      program.await(results[step]);
      int worker = worker(rank, step);
      if (blocks.visits(rank, worker)) {
        program.compute(blocks.mergeSeconds(rank, worker));
      }
    }
    return program;
  }

  private int startBlocks(RankProgram program, int rank, int step) {
    int worker = worker(rank, step);
    if (blocks.visits(rank, worker)) {
      program.send(worker, blocks.block(rank));
      program.compute(blocks.copySeconds(blocks.side(rank, worker)));
      program.send(worker, blocks.side(rank, worker));
    }
    int home = home(rank, step);
    if (blocks.visits(home, rank)) {
      program.receive(home, blocks.block(home));
      program.receive(home, blocks.side(home, rank));
    }
    return program.start();
  }

  private int startResults(RankProgram program, int rank, int step) {
    int home = home(rank, step);
    if (blocks.visits(home, rank)) {
      program.send(home, blocks.result(home, rank));
    }
    int worker = worker(rank, step);
    if (blocks.visits(rank, worker)) {
      program.receive(worker, blocks.result(rank, worker));
    }
    return program.start();
  }

  @Override
  public long workspaceBytes(int rank) {
    Workspace workspace = new Workspace();
    for (int peer = 0; peer < size; peer++) {
      if (blocks.visits(peer, rank)) {
        workspace.reserve(blocks.block(peer));
        workspace.reserve(blocks.side(peer, rank));
        workspace.reserve(blocks.result(peer, rank));
      }
      if (blocks.visits(rank, peer)) {
        workspace.reserve(blocks.side(rank, peer));
        workspace.reserve(blocks.result(rank, peer));
      }
    }
    blocks.reserve(rank, workspace);
    return workspace.bytes();
  }
}
