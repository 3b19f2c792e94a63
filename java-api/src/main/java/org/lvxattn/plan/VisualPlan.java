// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.lvxattn.Pass;
import org.lvxattn.Strategy;
import org.lvxattn.internal.Preconditions;

/**
 * The cost of each policy of a {@link org.lvxattn.visual.VisualCheckpoint} over several layers:
 * memory, bytes sent, operations. Memory excludes the caller's tensors: weights and their
 * gradients, queries, and the gradients of outputs and queries.
 *
 * @param features the features that are projected
 * @param attention the attention of each layer; its keys are the features' rows
 * @param layers number of layers that read the same features
 * @param strategy the strategy of {@link RecomputePolicy#KEEP} and {@link
 *     RecomputePolicy#RECOMPUTE}; not AUTO
 * @param tileRows rows of a tile under {@link RecomputePolicy#RECOMPUTE_TILED}
 * @param scratch scratch memory of the device's kernels
 */
public record VisualPlan(
    VisualSizes features,
    AttentionProblem attention,
    int layers,
    Strategy strategy,
    long tileRows,
    KernelScratch scratch) {
  /** Rows, over all batch items, that the projection of a whole shard processes at a time. */
  private static final long ROWS_AT_ONCE = 1024;

  /**
   * Checks the components.
   *
   * @throws NullPointerException if a component is null
   * @throws IllegalArgumentException if a component is out of range, or features and attention
   *     differ in batch, dtype or heads
   */
  public VisualPlan {
    Preconditions.present(features, "features");
    Preconditions.present(attention, "attention");
    Preconditions.present(strategy, "strategy");
    Preconditions.present(scratch, "scratch");
    Preconditions.require(layers >= 1, "layers", layers, "1 or more");
    Preconditions.require(tileRows >= 1, "tileRows", tileRows, "1 or more");
    Preconditions.require(strategy != Strategy.AUTO, "strategy", strategy, "one other than AUTO");
    AttentionSizes sizes = attention.sizes();
    Preconditions.require(
        features.batch() == sizes.batch()
            && features.dtype() == sizes.dtype()
            && features.keyValueHeads() == sizes.keyValueHeads()
            && features.headDim() == sizes.headDim(),
        "features",
        features,
        "batch, dtype and heads of attention, " + sizes + ",");
  }

  /**
   * The peak memory of a rank.
   *
   * @param pass with FORWARD all layers' results are kept, as for training, but no backward runs
   */
  public long peakBytes(RecomputePolicy policy, Pass pass, int rank) {
    long rows = attention.shards().keys(rank);
    long kept = features.featureBytes(rows) + layers * keptBytes(policy, rank);
    long forward = kept + workspaceBytes(policy, Pass.FORWARD, rank);
    long backward =
        kept + features.featureGradientBytes(rows) + workspaceBytes(policy, Pass.BACKWARD, rank);
    return switch (pass) {
      case FORWARD -> forward;
      case BACKWARD -> backward;
      case BOTH -> Math.max(forward, backward);
    };
  }

  /** The largest {@link #peakBytes(RecomputePolicy, Pass, int)} of all ranks. */
  public long peakBytes(RecomputePolicy policy, Pass pass) {
    long peak = 0;
    for (int rank = 0; rank < attention.ranks(); rank++) {
      peak = Math.max(peak, peakBytes(policy, pass, rank));
    }
    return peak;
  }

  /**
   * Bytes that one layer keeps from forward to backward: o and lse, with a bias also the terms of
   * lse, and under KEEP keys and values.
   */
  public long keptBytes(RecomputePolicy policy, int rank) {
    AttentionSizes sizes = attention.sizes();
    long queries = attention.shards().queries(rank);
    int lses = attention.bias() == null ? 1 : 1 + attention.lseTerms();
    long results =
        sizes.queryElements(queries) * sizes.elementBytes()
            + lses * sizes.rows(queries) * sizes.accumulatorBytes();
    return policy == RecomputePolicy.KEEP ? results + 2 * shardKeyBytes(rank) : results;
  }

  private long shardKeyBytes(int rank) {
    return features.keyBytes(attention.shards().keys(rank));
  }

  /** Workspace of a layer while it runs, in addition to what it keeps. */
  public long workspaceBytes(RecomputePolicy policy, Pass pass, int rank) {
    if (pass == Pass.BOTH) {
      return Math.max(
          workspaceBytes(policy, Pass.FORWARD, rank), workspaceBytes(policy, Pass.BACKWARD, rank));
    }
    return policy == RecomputePolicy.RECOMPUTE_TILED
        ? tiled(pass, rank, scratch).peakBytes()
        : shardWorkspaceBytes(policy, pass, rank);
  }

  private long shardWorkspaceBytes(RecomputePolicy policy, Pass pass, int rank) {
    long keys = shardKeyBytes(rank);
    boolean keeps = policy == RecomputePolicy.KEEP;
    // Raw keys are a separate tensor if there is a key norm, for backward.
    boolean apart = features.keyNorm() && (keeps || pass == Pass.BACKWARD);
    long projected = keeps ? 0 : 2 * keys;
    long finished = apart ? keys : 0;
    long attended = attentionBytes(pass, rank);
    if (pass == Pass.FORWARD) {
      return projected + Math.max(projectionBytes(pass, rank), finished + attended);
    }
    long gradients = 2 * keys;
    long again = keeps ? 0 : projectionBytes(Pass.FORWARD, rank);
    return Math.max(
        projected + again,
        projected + finished + gradients + Math.max(attended, projectionBytes(pass, rank)));
  }

  /** Workspace of attention over whole shards. */
  private long attentionBytes(Pass pass, int rank) {
    int oneNode = attention.ranks();
    try (Recording recording = Recording.of(attention, pass, strategy, oneNode, scratch)) {
      return recorded(recording, rank).peakBytes();
    }
  }

  /** Messages and memory of attention over tiles. */
  private RankPlan tiled(Pass pass, int rank, KernelScratch of) {
    try (Recording recording = Recording.ofTiles(attention, features, tileRows, pass, of)) {
      return recorded(recording, rank);
    }
  }

  private RankPlan recorded(Recording recording, int rank) {
    String obstacle = recording.record(rank);
    Preconditions.require(
        obstacle == null, "strategy", strategy, "one that can serve (" + obstacle + ")");
    return recording.costs(0);
  }

  /** Workspace of projecting a whole shard, tile by tile. */
  private long projectionBytes(Pass pass, int rank) {
    long keys = attention.shards().keys(rank);
    long rows = Math.min(keys, Math.max(1, ROWS_AT_ONCE / Math.max(1, features.batch())));
    long totals = pass == Pass.BACKWARD ? features.gradientTotalBytes(keys, rows) : 0;
    return features.tileBytes(rows, pass) + totals + scratch.projection(features, rows, pass);
  }

  /** Payload that a rank sends under {@link RecomputePolicy#RECOMPUTE_TILED} in one layer. */
  public long tiledBytesSent(Pass pass, int rank) {
    return pass == Pass.BOTH
        ? tiledBytesSent(Pass.FORWARD, rank) + tiledBytesSent(Pass.BACKWARD, rank)
        : tiled(pass, rank, KernelScratch.NONE).bytes();
  }

  /**
   * Floating-point operations of all ranks and layers: attention over the visible pairs, and the
   * projections with their gradients. RECOMPUTE and RECOMPUTE_TILED project twice.
   */
  public double flops(RecomputePolicy policy, Pass pass) {
    double once = features.projectionFlops(attention.shards().allKeys());
    double forward = once;
    double backward = 2 * once + (policy == RecomputePolicy.KEEP ? 0 : once);
    double projections =
        switch (pass) {
          case FORWARD -> forward;
          case BACKWARD -> backward;
          case BOTH -> forward + backward;
        };
    return layers * (attention.flops(pass) + projections);
  }

  /**
   * How many frames fit into each rank's memory, if their tokens are sharded evenly and every query
   * sees all of them.
   *
   * @param bytes memory of each rank, without the caller's tensors
   * @param tokensPerFrame rows of features that a frame adds
   * @throws IllegalArgumentException if tokensPerFrame is not positive
   */
  public long framesThatFit(RecomputePolicy policy, Pass pass, long bytes, long tokensPerFrame) {
    Preconditions.require(tokensPerFrame >= 1, "tokensPerFrame", tokensPerFrame, "1 or more");
    long fits = 0;
    long tooMany = 1;
    while (ofFrames(tooMany, tokensPerFrame).peakBytes(policy, pass) <= bytes) {
      fits = tooMany;
      tooMany *= 2;
    }
    while (tooMany - fits > 1) {
      long middle = (fits + tooMany) / 2;
      if (ofFrames(middle, tokensPerFrame).peakBytes(policy, pass) <= bytes) {
        fits = middle;
      } else {
        tooMany = middle;
      }
    }
    return fits;
  }

  private VisualPlan ofFrames(long frames, long tokensPerFrame) {
    Shards shards = attention.shards();
    Shards even = Shards.even(0, frames * tokensPerFrame, shards.ranks());
    AttentionProblem problem =
        AttentionProblem.of(attention.sizes(), new Shards(shards.queries(), even.keys()));
    return new VisualPlan(features, problem, layers, strategy, tileRows, scratch);
  }
}
