// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/** Keys and values visit queries; in backward their gradients go home. */
final class KeyBlocks extends Blocks {
  KeyBlocks(AttentionProblem problem, Pass pass, Machine machine) {
    super(problem, pass, machine);
  }

  private long keyElements(int home) {
    return sizes.keyElements(shards.keys(home));
  }

  private long queryAccumulatorBytes(int rank) {
    return sizes.queryElements(shards.queries(rank)) * sizes.accumulatorBytes();
  }

  @Override
  boolean visits(int home, int worker) {
    return home != worker && reach.sees(worker, home);
  }

  @Override
  long block(int home) {
    return 2 * keyElements(home) * sizes.elementBytes();
  }

  @Override
  long side(int home, int worker) {
    return problem.biasBytes(home, sizes.heads(), shards.queries(worker));
  }

  @Override
  long result(int home, int worker) {
    return isForward()
        ? 0
        : block(home) + problem.biasGradientBytes(home, sizes.heads(), shards.queries(worker));
  }

  @Override
  long sum(int home) {
    throw new IllegalStateException("results of key blocks are not summed on their way");
  }

  @Override
  void reserve(int rank, Workspace workspace) {
    if (!isForward()) {
      workspace.reserve(sizes.rows(shards.queries(rank)) * sizes.accumulatorBytes());
    }
    boolean travels = reach.keysSeenByOthers(rank);
    if (travels) {
      workspace.reserve(block(rank));
    }
    if (sizes.isNarrow() && splits(rank)) {
      workspace.reserve(queryAccumulatorBytes(rank));
    }
    if (isForward()) {
      return;
    }
    if (sizes.isNarrow() && travels) {
      workspace.reserve(keyElements(rank) * sizes.accumulatorBytes());
      workspace.reserve(keyElements(rank) * sizes.accumulatorBytes());
    }
    reserveBiasGradient(rank, workspace);
  }

  @Override
  double beginSeconds(int rank) {
    return reach.keysSeenByOthers(rank) ? copySeconds(block(rank)) : 0;
  }

  @Override
  double visitorSeconds(int home, int worker) {
    return attentionSeconds(worker, home);
  }

  @Override
  double mergeSeconds(int home, int worker) {
    return isForward() ? 0 : copySeconds(2 * keyElements(home) * sizes.accumulatorBytes());
  }
}
