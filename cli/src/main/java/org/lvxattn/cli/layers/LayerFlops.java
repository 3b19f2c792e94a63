// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import org.lvxattn.plan.RecomputePolicy;

/**
 * Floating-point operations (multiplications and additions) of layers over all ranks; elementwise
 * operations and norms are not counted.
 *
 * @param projection one projection of all visual rows to keys and values
 * @param attention attention in forward
 * @param text products of the text rows with weights in forward
 */
public record LayerFlops(double projection, double attention, double text) {
  /** The operations of all layers of a run. */
  public static LayerFlops of(LayersRun.Settings settings) {
    LayerSizes sizes = settings.sizes();
    BatchPlan plan = settings.plan(1);
    double textRows = (double) plan.batch() * plan.textRows();
    double visualRows = (double) plan.batch() * plan.visualRows();
    double queryWidth = (double) sizes.heads() * sizes.headDim();
    double keyWidth = (double) sizes.keyHeads() * sizes.headDim();
    double products = 2 * queryWidth * sizes.hidden();
    double pairs = textRows / plan.batch() * visualRows;
    switch (sizes.family()) {
      case LLAMA3V -> products += 3.0 * sizes.hidden() * sizes.inner();
      case OPENFLAMINGO -> products += 2.0 * sizes.hidden() * sizes.inner();
      case MPLUG_OWL3 -> {
        products += 3.0 * sizes.hidden() * sizes.inner() + 2 * keyWidth * sizes.hidden();
        pairs = visiblePairs(plan);
      }
    }
    return new LayerFlops(
        sizes.layers() * 4 * visualRows * sizes.visualWidth() * keyWidth,
        sizes.layers() * 4 * queryWidth * pairs,
        sizes.layers() * 2 * textRows * products);
  }

  /** A row sees the frames whose tokens are before it, the text before it, and itself. */
  private static double visiblePairs(BatchPlan plan) {
    double pairs = 0;
    for (int row = 0; row < plan.textRows(); row++) {
      pairs += (double) Math.min(row, plan.frames()) * plan.tokensPerFrame() + row + 1;
    }
    return plan.batch() * pairs;
  }

  /**
   * Operations of forward, and of backward if it is computed: it has twice forward's products, and
   * 2.5 times forward's attention.
   */
  public double of(RecomputePolicy policy, boolean backward) {
    double forward = projection + attention + text;
    if (!backward) {
      return forward;
    }
    double again = policy == RecomputePolicy.KEEP ? 0 : projection;
    return forward + 2 * projection + 2.5 * attention + 2 * text + again;
  }
}
