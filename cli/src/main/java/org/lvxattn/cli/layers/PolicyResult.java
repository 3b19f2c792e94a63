// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.Map;
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

  /** What the formula says of that rank. */
  public long plannedBytes() {
    return outcome.ranks().stream().mapToLong(LayerCost::plannedBytes).max().orElse(0);
  }

  public long bytesSent() {
    return outcome.ranks().stream().mapToLong(LayerCost::bytesSent).max().orElse(0);
  }
}
