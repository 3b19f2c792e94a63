// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/** Queries visit keys; partial results go home and are merged there. */
final class QueryBlocks extends Blocks {
  QueryBlocks(AttentionProblem problem, Pass pass, Machine machine) {
    super(problem, pass, machine);
  }

  private long queryBytes(int home) {
    return sizes.queryElements(shards.queries(home)) * sizes.elementBytes();
  }

  private long queryAccumulatorBytes(int home) {
    return sizes.queryElements(shards.queries(home)) * sizes.accumulatorBytes();
  }

  private long keyAccumulatorBytes(int rank) {
    return sizes.keyElements(shards.keys(rank)) * sizes.accumulatorBytes();
  }

  private long rowBytes(int home) {
    return sizes.rows(shards.queries(home)) * sizes.accumulatorBytes();
  }

  private long lseBytes(int home) {
    return problem.lseTerms() * rowBytes(home);
  }

  @Override
  boolean visits(int home, int worker) {
    return home != worker && reach.sees(home, worker);
  }

  @Override
  long block(int home) {
    return (isForward() ? queryBytes(home) : 2 * queryBytes(home) + lseBytes(home) + rowBytes(home))
        + problem.rangeBytes(home);
  }

  @Override
  long side(int home, int worker) {
    return 0;
  }

  @Override
  long result(int home, int worker) {
    return isForward() ? sum(home) : queryBytes(home);
  }

  @Override
  long sum(int home) {
    return queryAccumulatorBytes(home) + (isForward() ? lseBytes(home) : 0);
  }

  private boolean packs(int rank) {
    return reach.queriesSeeOthers(rank) && (!isForward() || reach.hasVisibility());
  }

  @Override
  void reserve(int rank, Workspace workspace) {
    if (packs(rank)) {
      workspace.reserve(block(rank));
    } else if (!isForward()) {
      workspace.reserve(rowBytes(rank));
    }
    if (sizes.isNarrow() && splits(rank)) {
      workspace.reserve(queryAccumulatorBytes(rank));
    }
    if (isForward()) {
      return;
    }
    if (sizes.isNarrow() && reach.keysSeenByOthers(rank)) {
      workspace.reserve(keyAccumulatorBytes(rank));
      workspace.reserve(keyAccumulatorBytes(rank));
    }
    reserveBiasGradient(rank, workspace);
  }

  @Override
  double beginSeconds(int rank) {
    return packs(rank) ? copySeconds(block(rank)) : 0;
  }

  @Override
  double visitorSeconds(int home, int worker) {
    return attentionSeconds(home, worker);
  }

  @Override
  double mergeSeconds(int home, int worker) {
    return copySeconds(sum(home));
  }
}
