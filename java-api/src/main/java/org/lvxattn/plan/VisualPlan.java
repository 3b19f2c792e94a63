// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.Objects;
import org.lvxattn.Link;
import org.lvxattn.Strategy;
import org.lvxattn.VisualCheckpoint.Policy;

/**
 * What the policies of a {@link org.lvxattn.VisualCheckpoint} cost over some layers: memory, bytes
 * sent, operations. Memory is what comes on top of the caller's own: weights and their gradients,
 * queries, and the gradients of outputs and queries.
 *
 * @param features what is projected
 * @param attention the attention of each layer; its keys are the features' rows
 * @param layers that read the same features
 * @param strategy of {@link Policy#KEEP} and {@link Policy#RECOMPUTE}; not AUTO
 * @param tileRows of {@link Policy#RECOMPUTE_TILED}
 * @param scratch of the device
 */
public record VisualPlan(
    VisualSizes features,
    AttentionProblem attention,
    int layers,
    Strategy strategy,
    long tileRows,
    KernelScratch scratch) {
  /** Rows of all batch items that whole shards are projected by at a time. */
  private static final long ROWS_AT_ONCE = 1024;

  /**
   * Checks the components.
   *
   * @throws NullPointerException if a component is null
   * @throws IllegalArgumentException if a component is out of range, or features and attention
   *     differ in batch, dtype or heads
   */
  public VisualPlan {
    Objects.requireNonNull(features, "features is null");
    Objects.requireNonNull(attention, "attention is null");
    Objects.requireNonNull(strategy, "strategy is null");
    Objects.requireNonNull(scratch, "scratch is null");
    Checks.require(layers >= 1, "layers", layers, "1 or more");
    Checks.require(tileRows >= 1, "tileRows", tileRows, "1 or more");
    Checks.require(strategy != Strategy.AUTO, "strategy", strategy, "one that says what moves");
    AttentionSizes sizes = attention.sizes();
    Checks.require(
        features.batch() == sizes.batch()
            && features.dtype() == sizes.dtype()
            && features.keyValueHeads() == sizes.keyValueHeads()
            && features.headDim() == sizes.headDim(),
        "features",
        features,
        "batch, dtype and heads of attention, " + sizes + ",");
  }

  /**
   * The most memory that a rank has at any time.
   *
   * @param pass FORWARD: all layers' results are kept, as for training, but nothing goes back
   */
  public long peakBytes(Policy policy, Pass pass, int rank) {
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

  /** {@link #peakBytes(Policy, Pass, int)} of the rank that has most. */
  public long peakBytes(Policy policy, Pass pass) {
    long peak = 0;
    for (int rank = 0; rank < attention.ranks(); rank++) {
      peak = Math.max(peak, peakBytes(policy, pass, rank));
    }
    return peak;
  }

  /**
   * What one layer keeps from forward to backward: o and lse, with a bias also the terms of lse,
   * and keys and values under KEEP.
   */
  public long keptBytes(Policy policy, int rank) {
    AttentionSizes sizes = attention.sizes();
    long queries = attention.shards().queries(rank);
    int lses = attention.bias() == null ? 1 : 1 + attention.lseTerms();
    long results =
        sizes.queryElements(queries) * sizes.elementBytes()
            + lses * sizes.rows(queries) * sizes.accumulatorBytes();
    return policy == Policy.KEEP ? results + 2 * shardKeyBytes(rank) : results;
  }

  private long shardKeyBytes(int rank) {
    return features.keyBytes(attention.shards().keys(rank));
  }

  /** What a layer has in addition while it runs, beside what it keeps. */
  public long workspaceBytes(Policy policy, Pass pass, int rank) {
    if (pass == Pass.BOTH) {
      return Math.max(
          workspaceBytes(policy, Pass.FORWARD, rank), workspaceBytes(policy, Pass.BACKWARD, rank));
    }
    return policy == Policy.RECOMPUTE_TILED
        ? new TiledSchedule(this, pass).workspaceBytes(rank)
        : shardWorkspaceBytes(policy, pass, rank);
  }

  private long shardWorkspaceBytes(Policy policy, Pass pass, int rank) {
    long keys = shardKeyBytes(rank);
    boolean keeps = policy == Policy.KEEP;
    // Raw keys are apart where backward needs them after their norm.
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

  /** Workspace of the attention of whole shards. */
  private long attentionBytes(Pass pass, int rank) {
    long messages =
        new Planner(Machine.ofRate(1), Topology.oneNode(Link.INSTANT))
            .plan(attention, pass, strategy)
            .ranks()
            .get(rank)
            .peakBytes();
    Shards shards = attention.shards();
    boolean movesKeys = strategy == Strategy.KV_RING || strategy == Strategy.KV_GATHER;
    long kernels = 0;
    for (int peer = 0; peer < attention.ranks(); peer++) {
      long queries = shards.queries(movesKeys ? rank : peer);
      long keys = shards.keys(movesKeys ? peer : rank);
      kernels = Math.max(kernels, scratch.attention(attention.sizes(), queries, keys, pass));
    }
    return messages + kernels;
  }

  /** Workspace of projecting a whole shard, tile by tile. */
  private long projectionBytes(Pass pass, int rank) {
    long keys = attention.shards().keys(rank);
    long rows = Math.min(keys, Math.max(1, ROWS_AT_ONCE / Math.max(1, features.batch())));
    long totals = pass == Pass.BACKWARD ? features.gradientTotalBytes(keys, rows) : 0;
    return features.tileBytes(rows, pass) + totals + scratch.projection(features, rows, pass);
  }

  /** Payload that a rank sends under {@link Policy#RECOMPUTE_TILED} in one layer. */
  public long tiledBytesSent(Pass pass, int rank) {
    return pass == Pass.BOTH
        ? tiledBytesSent(Pass.FORWARD, rank) + tiledBytesSent(Pass.BACKWARD, rank)
        : new TiledSchedule(this, pass).bytesSent(rank);
  }

  /**
   * Floating-point operations of all ranks and layers: attention over the pairs that are visible,
   * and the projections with their gradients. RECOMPUTE and RECOMPUTE_TILED project twice.
   */
  public double flops(Policy policy, Pass pass) {
    double once = features.projectionFlops(attention.shards().allKeys());
    double forward = once;
    double backward = 2 * once + (policy == Policy.KEEP ? 0 : once);
    double projections =
        switch (pass) {
          case FORWARD -> forward;
          case BACKWARD -> backward;
          case BOTH -> forward + backward;
        };
    return layers * (attention.flops(pass) + projections);
  }

  /**
   * How many frames fit into each rank's memory: the most whose tokens, shared out evenly and seen
   * by every query, need at most so many bytes.
   *
   * @param bytes of each rank, beside what is the caller's
   * @param tokensPerFrame rows of features that a frame adds
   * @throws IllegalArgumentException if tokensPerFrame is not positive
   */
  public long framesThatFit(Policy policy, Pass pass, long bytes, long tokensPerFrame) {
    Checks.require(tokensPerFrame >= 1, "tokensPerFrame", tokensPerFrame, "1 or more");
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
