// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.jspecify.annotations.Nullable;

/**
 * Heads against sequence: each rank gets its part of the heads of all queries and keys. Shares are
 * in flight from the start; each is computed against those already there, and the last one
 * completes all results, which leave one by one.
 */
final class HeadSchedule implements Schedule {
  private final AttentionProblem problem;
  private final AttentionSizes sizes;
  private final Shards shards;
  private final Reach reach;
  private final Pass pass;
  private final Machine machine;
  private final int size;

  HeadSchedule(AttentionProblem problem, Pass pass, Machine machine) {
    this.problem = problem;
    this.sizes = problem.sizes();
    this.shards = problem.shards();
    this.reach = problem.reach();
    this.pass = pass;
    this.machine = machine;
    this.size = problem.ranks();
  }

  /** Why heads cannot be shared out among ranks, or null if they can. */
  static @Nullable String obstacle(AttentionSizes sizes, int ranks) {
    int group = sizes.heads() / sizes.keyValueHeads();
    int share = sizes.heads() / ranks;
    if (sizes.heads() % ranks == 0 && (share % group == 0 || group % share == 0)) {
      return null;
    }
    return sizes.heads()
        + " query heads in groups of "
        + group
        + " do not go round "
        + ranks
        + " ranks in whole groups or equal parts of one";
  }

  /** A worker's heads: its query heads, and the key heads that they read. */
  private AttentionSizes shareOf(int worker) {
    int group = sizes.heads() / sizes.keyValueHeads();
    int share = sizes.heads() / size;
    int firstKeyHead = worker * share / group;
    int lastKeyHead = (worker * share + share - 1) / group;
    return new AttentionSizes(
        sizes.batch(), share, lastKeyHead - firstKeyHead + 1, sizes.headDim(), sizes.dtype());
  }

  private boolean isForward() {
    return pass == Pass.FORWARD;
  }

  private long queryBytes(int home, int worker) {
    return shareOf(worker).queryElements(shards.queries(home)) * sizes.elementBytes();
  }

  private long rowBytes(int home, int worker) {
    return shareOf(worker).rows(shards.queries(home)) * sizes.accumulatorBytes();
  }

  private long lseBytes(int home, int worker) {
    return problem.lseTerms() * rowBytes(home, worker);
  }

  private long keyBytes(int home, int worker) {
    return shareOf(worker).keyElements(shards.keys(home)) * sizes.elementBytes();
  }

  private long share(int home, int worker) {
    long bytes = 0;
    if (reach.queriesSee(home)) {
      bytes += queryBytes(home, worker) + problem.rangeBytes(home);
      bytes +=
          isForward()
              ? 0
              : queryBytes(home, worker) + lseBytes(home, worker) + rowBytes(home, worker);
    }
    if (reach.keysSeen(home)) {
      bytes += 2 * keyBytes(home, worker);
      bytes += problem.biasBytes(home, shareOf(worker).heads(), shards.allQueries());
    }
    return bytes;
  }

  private long result(int home, int worker) {
    long bytes = 0;
    if (reach.queriesSee(home)) {
      bytes += queryBytes(home, worker) + (isForward() ? lseBytes(home, worker) : 0);
    }
    if (!isForward() && reach.keysSeen(home)) {
      bytes += 2 * keyBytes(home, worker);
      bytes += problem.biasGradientBytes(home, shareOf(worker).heads(), shards.allQueries());
    }
    return bytes;
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
    int[] shares = new int[size];
    for (int step = 0; step < size; step++) {
      int worker = worker(rank, step);
      program.compute(copySeconds(share(rank, worker)));
      if (step > 0) {
        program.send(worker, share(rank, worker));
        program.receive(home(rank, step), share(home(rank, step), rank));
      }
      shares[step] = program.start();
    }
    int[] results = new int[size];
    for (int step = 0; step < size; step++) {
      program.await(shares[step]);
      compute(program, rank, step, results);
    }
    for (int step = 0; step < size; step++) {
      program.await(results[step]);
      program.compute(copySeconds(result(rank, worker(rank, step))));
    }
    return program;
  }

  /** The share of a step against itself and those before it. */
  private void compute(RankProgram program, int rank, int step, int[] results) {
    int home = home(rank, step);
    boolean last = step == size - 1;
    for (int earlier = 0; earlier < step; earlier++) {
      int other = home(rank, earlier);
      program.compute(pairSeconds(other, home, rank) + pairSeconds(home, other, rank));
      if (last) {
        results[earlier] = startResult(program, rank, earlier);
      }
    }
    program.compute(pairSeconds(home, home, rank));
    if (last) {
      results[step] = startResult(program, rank, step);
    }
  }

  private int startResult(RankProgram program, int rank, int step) {
    if (step > 0) {
      program.send(home(rank, step), result(home(rank, step), rank));
      program.receive(worker(rank, step), result(rank, worker(rank, step)));
    }
    return program.start();
  }

  private double pairSeconds(int queriesOf, int keysOf, int worker) {
    return Blocks.attentionSeconds(
        machine,
        shareOf(worker),
        pass,
        reach.pairs(queriesOf, keysOf),
        shards.queries(queriesOf),
        shards.keys(keysOf));
  }

  private double copySeconds(long bytes) {
    return machine.seconds(0, 2 * bytes, pass);
  }

  @Override
  public long workspaceBytes(int rank) {
    Workspace workspace = new Workspace();
    for (int peer = 0; peer < size; peer++) {
      workspace.reserve(share(peer, rank));
      workspace.reserve(result(peer, rank));
      if (peer != rank) {
        workspace.reserve(share(rank, peer));
        workspace.reserve(result(rank, peer));
      }
    }
    if (!isForward()) {
      workspace.reserve(sizes.rows(shards.queries(rank)) * sizes.accumulatorBytes());
      workspace.reserve(sizes.keyElements(shards.keys(rank)) * sizes.accumulatorBytes());
      workspace.reserve(sizes.keyElements(shards.keys(rank)) * sizes.accumulatorBytes());
      Blocks.reserveBiasGradient(problem, pass, rank, workspace);
    }
    if (sizes.isNarrow()) {
      reserveSums(rank, workspace);
    }
    return workspace.bytes();
  }

  private void reserveSums(int rank, Workspace workspace) {
    AttentionSizes share = shareOf(rank);
    for (int home = 0; home < size; home++) {
      if (!isForward() || reach.queriesSee(home)) {
        workspace.reserve(share.queryElements(shards.queries(home)) * sizes.accumulatorBytes());
      }
      if (!isForward()) {
        workspace.reserve(share.keyElements(shards.keys(home)) * sizes.accumulatorBytes());
        workspace.reserve(share.keyElements(shards.keys(home)) * sizes.accumulatorBytes());
      }
    }
  }
}
