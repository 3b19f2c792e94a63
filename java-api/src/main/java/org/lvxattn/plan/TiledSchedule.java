// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.lvxattn.DType;

/** All queries come to a rank, whose keys are made tile by tile; one result goes home from each. */
final class TiledSchedule {
  private final VisualPlan plan;
  private final AttentionProblem problem;
  private final AttentionSizes sizes;
  private final Reach reach;
  private final Pass pass;

  TiledSchedule(VisualPlan plan, Pass pass) {
    this.plan = plan;
    this.problem = plan.attention();
    this.sizes = problem.sizes();
    this.reach = problem.reach();
    this.pass = pass;
  }

  private boolean isForward() {
    return pass == Pass.FORWARD;
  }

  private boolean visits(int home, int worker) {
    return home != worker && reach.sees(home, worker);
  }

  private long queries(int home) {
    return problem.shards().queries(home);
  }

  private long rowBytes(int home) {
    return sizes.rows(queries(home)) * sizes.accumulatorBytes();
  }

  private long lseBytes(int home) {
    return problem.lseTerms() * rowBytes(home);
  }

  private long sumBytes(int home) {
    return sizes.queryElements(queries(home)) * sizes.accumulatorBytes();
  }

  private long block(int home) {
    long q = sizes.queryElements(queries(home)) * sizes.elementBytes();
    return (isForward() ? q : 2 * q + lseBytes(home) + rowBytes(home)) + problem.rangeBytes(home);
  }

  private long result(int home) {
    return isForward() ? sumBytes(home) + lseBytes(home) : sumBytes(home);
  }

  long bytesSent(int rank) {
    long bytes = 0;
    for (int peer = 0; peer < problem.ranks(); peer++) {
      bytes += visits(rank, peer) ? block(rank) : 0;
      bytes += visits(peer, rank) ? result(peer) : 0;
    }
    return bytes;
  }

  /** The total in float64 of what many tiles add up to. */
  private long totalBytes(int home) {
    long elements = sizes.queryElements(queries(home));
    long lse = isForward() ? problem.lseTerms() * sizes.rows(queries(home)) : 0;
    return (elements + lse) * DType.FLOAT64.bytes();
  }

  private static boolean needsTotals(AttentionSizes sizes, long keys, long tileRows) {
    return sizes.dtype() != DType.FLOAT64
        && tileRows > 0
        && Math.ceilDiv(keys, tileRows) > VisualSizes.TERMS_OF_GROUP;
  }

  long workspaceBytes(int rank) {
    long keys = problem.shards().keys(rank);
    long rows = Math.min(plan.tileRows(), keys);
    boolean needsTotals = needsTotals(sizes, keys, rows);
    long scratch = plan.scratch().projection(plan.features(), rows, pass);
    Workspace workspace = new Workspace();
    for (int peer = 0; peer < problem.ranks(); peer++) {
      if (visits(peer, rank)) {
        workspace.reserve(block(peer));
        workspace.reserve(result(peer));
      }
      if (visits(rank, peer)) {
        workspace.reserve(result(rank));
      }
      if (peer == rank || visits(peer, rank)) {
        scratch = Math.max(scratch, kernelScratch(peer, rank));
        workspace.reserve(needsTotals ? totalBytes(peer) : 0);
      }
    }
    if (reach.queriesSeeOthers(rank) && (!isForward() || reach.hasVisibility())) {
      workspace.reserve(block(rank));
    } else if (!isForward()) {
      workspace.reserve(rowBytes(rank));
    }
    if (sizes.isNarrow()) {
      workspace.reserve(sumBytes(rank));
    }
    Blocks.reserveBiasGradient(problem, pass, rank, workspace);
    workspace.reserve(plan.features().tileBytes(rows, pass));
    if (!isForward()) {
      workspace.reserve(plan.features().gradientTotalBytes(keys, rows));
    }
    workspace.reserve(scratch);
    return workspace.bytes();
  }

  /** The kernels meet whole tiles, a short last one, and no keys at all. */
  private long kernelScratch(int home, int rank) {
    long keys = problem.shards().keys(rank);
    long rows = Math.min(plan.tileRows(), keys);
    long last = rows == 0 ? 0 : (keys - 1) % rows + 1;
    long most = 0;
    for (long tile : new long[] {0, rows, last}) {
      most = Math.max(most, plan.scratch().attention(sizes, queries(home), tile, pass));
    }
    return most;
  }
}
