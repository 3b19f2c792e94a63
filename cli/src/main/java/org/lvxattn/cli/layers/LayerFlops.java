// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import org.lvxattn.VisualCheckpoint.Policy;

/**
 * Floating-point operations of layers, multiplications and additions, over all ranks; norms and the
 * like are not counted.
 *
 * @param projection one projection of all visual rows to keys and values
 * @param attention forward
 * @param text products of the text rows with weights, forward
 */
public record LayerFlops(double projection, double attention, double text) {
  /** Of all layers of a run. */
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

  /** A row sees the frames whose tokens come before it, and itself and the text before it. */
  private static double visiblePairs(BatchPlan plan) {
    double pairs = 0;
    for (int row = 0; row < plan.textRows(); row++) {
      pairs += (double) Math.min(row, plan.frames()) * plan.tokensPerFrame() + row + 1;
    }
    return plan.batch() * pairs;
  }

  /** Of forward, and backward if it is computed: there every product is two, attention's 2.5. */
  public double of(Policy policy, boolean backward) {
    double forward = projection + attention + text;
    if (!backward) {
      return forward;
    }
    double again = policy == Policy.KEEP ? 0 : projection;
    return forward + 2 * projection + 2.5 * attention + 2 * text + again;
  }
}
