// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.VisualCheckpoint.Policy;

/**
 * One policy's run.
 *
 * @param flops over all ranks
 * @param errors by tensor, empty if nothing was checked
 */
public record PolicyResult(
    Policy policy, LayersRun.Outcome outcome, double flops, Map<String, Double> errors) {
  /** The most that a rank's device held, weights aside. */
  public long peakBytes() {
    return outcome.ranks().stream().mapToLong(LayerCost::peakBytes).max().orElse(0);
  }

  /** What the formula says of the fullest rank; null where it cannot. */
  public @Nullable Long plannedBytes() {
    Long planned = null;
    for (LayerCost cost : outcome.ranks()) {
      Long other = cost.plannedBytes();
      planned = planned == null || (other != null && other > planned) ? other : planned;
    }
    return planned;
  }

  public long bytesSent() {
    return outcome.ranks().stream().mapToLong(LayerCost::bytesSent).max().orElse(0);
  }
}
