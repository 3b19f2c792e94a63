// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.Arrays;
import java.util.Map;
import org.lvxattn.DType;
import org.lvxattn.Pass;
import org.lvxattn.Strategy;
import org.lvxattn.plan.AttentionProblem;
import org.lvxattn.plan.AttentionSizes;
import org.lvxattn.plan.KernelScratch;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.plan.Shards;
import org.lvxattn.plan.VisualPlan;
import org.lvxattn.plan.VisualSizes;

/**
 * How much memory whole layers need on a rank: the prediction of {@link VisualPlan} for features,
 * keys and values, plus what the layers keep of the text rows, plus the workspace of a running
 * layer.
 *
 * @param rows number of text rows of all ranks
 * @param visualRows number of visual rows of all ranks
 */
public record LayerMemory(
    LayerSizes sizes,
    DType dtype,
    long rows,
    long visualRows,
    int ranks,
    Strategy strategy,
    int tileRows,
    KernelScratch scratch) {
  /** Gradients of parameters begin at multiples of this number of elements. */
  private static final long GRADIENT_ALIGNMENT = 16;

  /** The plan for features, keys and values. */
  public VisualPlan visual() {
    AttentionSizes attention =
        new AttentionSizes(1, sizes.heads(), sizes.keyHeads(), sizes.headDim(), dtype);
    VisualSizes features =
        new VisualSizes(
            1,
            sizes.visualWidth(),
            sizes.keyHeads(),
            sizes.headDim(),
            sizes.family() == Family.MPLUG_OWL3,
            sizes.family() == Family.LLAMA3V,
            dtype);
    AttentionProblem problem = AttentionProblem.of(attention, Shards.even(rows, visualRows, ranks));
    return new VisualPlan(features, problem, sizes.layers(), strategy, tileRows, scratch);
  }

  /** Bytes of the gradients of all layers' parameters. */
  public long gradientBytes() {
    return parameters(true) * dtype.accumulator().bytes();
  }

  /** Bytes of all layers' parameters in the dtype of the rows. */
  public long weightBytes() {
    return parameters(false) * dtype.bytes();
  }

  private long parameters(boolean padded) {
    long unit = padded ? GRADIENT_ALIGNMENT : 1;
    long ofLayer = 0;
    for (Map.Entry<String, long[]> shape : RankLayers.parameterShapes(sizes).entrySet()) {
      long elements = Arrays.stream(shape.getValue()).reduce(1, Math::multiplyExact);
      ofLayer += Math.ceilDiv(elements, unit) * unit;
    }
    return sizes.layers() * ofLayer;
  }

  /** Peak bytes of a rank, without weights and their gradients. */
  public long peakBytes(RecomputePolicy policy, boolean backward, int rank) {
    VisualPlan visual = visual();
    Pass pass = backward ? Pass.BACKWARD : Pass.FORWARD;
    long workspace = visual.workspaceBytes(policy, pass, rank);
    long held = visual.peakBytes(policy, pass, rank) - workspace;
    long own = visual.attention().shards().queries().get(rank);
    long row = own * dtype.bytes();
    long text = row * (2L * sizes.hidden() + sizes.layers() * keptOfRow());
    long lse =
        sizes.family() == Family.MPLUG_OWL3
            ? sizes.layers() * own * sizes.heads() * dtype.accumulator().bytes()
            : 0;
    long running =
        backward
            ? Math.max(workspace + row * besideAttention(), row * besideFeedForward())
            // While the last layer's attention runs, most of what this layer keeps is not allocated
            // yet.
            : Math.max(
                workspace - row * (keptOfRow() - keptBeforeAttention()),
                row * (sizes.hidden() + sizes.inner()));
    return held + text + lse + running;
  }

  /** Peak bytes of the rank with the most memory. */
  public long peakBytes(RecomputePolicy policy, boolean backward) {
    long peak = 0;
    for (int rank = 0; rank < ranks; rank++) {
      peak = Math.max(peak, peakBytes(policy, backward, rank));
    }
    return peak;
  }

  /** A copy with another number of visual rows. */
  public LayerMemory withVisualRows(long other) {
    return new LayerMemory(sizes, dtype, rows, other, ranks, strategy, tileRows, scratch);
  }

  /**
   * The largest number of frames with which the rank with the most memory needs at most the given
   * bytes, without weights and their gradients; 0 if no frame fits.
   */
  public long framesThatFit(RecomputePolicy policy, long bytes, long tokensPerFrame) {
    long fit = 0;
    long tooMany = 1;
    while (fits(policy, bytes, tooMany * tokensPerFrame)) {
      fit = tooMany;
      tooMany *= 2;
    }
    while (tooMany - fit > 1) {
      long middle = (fit + tooMany) / 2;
      if (fits(policy, bytes, middle * tokensPerFrame)) {
        fit = middle;
      } else {
        tooMany = middle;
      }
    }
    return fit;
  }

  private boolean fits(RecomputePolicy policy, long bytes, long more) {
    return withVisualRows(more).peakBytes(policy, true) <= bytes;
  }

  /** Elements that a layer keeps of a text row, without o and its log-sum-exp. */
  private long keptOfRow() {
    long hidden = sizes.hidden();
    return switch (sizes.family()) {
      // Input of attention, its output, sum, output, branch; query raw and normed; gate and up.
      case LLAMA3V -> 5 * hidden + 2 * queryWidth() + 2L * sizes.inner();
      // Output of attention, sum, output, branch; query; inner.
      case OPENFLAMINGO -> 4 * hidden + queryWidth() + sizes.inner();
      // Sum, output; query, attention to text; its keys and values; gate and up.
      case MPLUG_OWL3 -> 2 * hidden + 2 * queryWidth() + 2 * keyWidth() + 2L * sizes.inner();
    };
  }

  /** The part of {@link #keptOfRow} that is allocated before attention runs. */
  private long keptBeforeAttention() {
    return switch (sizes.family()) {
      case LLAMA3V -> sizes.hidden() + 2 * queryWidth();
      case OPENFLAMINGO -> queryWidth();
      case MPLUG_OWL3 -> queryWidth() + 2 * keyWidth();
    };
  }

  /** Elements of a text row that are allocated in backward while attention runs. */
  private long besideAttention() {
    long hidden = sizes.hidden();
    return switch (sizes.family()) {
      case LLAMA3V -> 3 * hidden + 2 * queryWidth();
      case OPENFLAMINGO -> 2 * hidden + 2 * queryWidth();
      case MPLUG_OWL3 -> hidden + 2 * keyWidth() + 4 * queryWidth();
    };
  }

  /** Elements of a text row that are allocated in backward while the feed-forward runs. */
  private long besideFeedForward() {
    long hidden = 3L * sizes.hidden();
    return switch (sizes.family()) {
      case LLAMA3V -> hidden + 3L * sizes.inner();
      case OPENFLAMINGO -> hidden + 2L * sizes.inner();
      case MPLUG_OWL3 -> hidden + 3L * sizes.inner() + 2 * keyWidth();
    };
  }

  private long queryWidth() {
    return (long) sizes.heads() * sizes.headDim();
  }

  private long keyWidth() {
    return (long) sizes.keyHeads() * sizes.headDim();
  }
}
