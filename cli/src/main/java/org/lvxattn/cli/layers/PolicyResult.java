// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.lvxattn.VisualCheckpoint.Policy;

/**
 * One policy's runs.
 *
 * @param rounds at least one, in the order of time
 * @param flops over all ranks
 * @param errors by tensor, empty if nothing was checked
 */
public record PolicyResult(
    Policy policy, List<LayersRun.Outcome> rounds, double flops, Map<String, Double> errors) {
  /** The round that took the median time; of two, the faster. */
  public LayersRun.Outcome outcome() {
    return rounds.stream()
        .sorted(Comparator.comparingDouble(LayersRun.Outcome::seconds))
        .toList()
        .get((rounds.size() - 1) / 2);
  }

  /** Time over that of another policy in the same round, the median of the rounds. */
  public double secondsOver(PolicyResult other) {
    double[] ratios =
        IntStream.range(0, rounds.size())
            .mapToDouble(i -> rounds.get(i).seconds() / other.rounds.get(i).seconds())
            .sorted()
            .toArray();
    return ratios[(ratios.length - 1) / 2];
  }

  /** The most that a rank's device held, weights aside. */
  public long peakBytes() {
    return outcome().ranks().stream().mapToLong(LayerCost::peakBytes).max().orElse(0);
  }

  /** What the formula says of the fullest rank; null where it cannot. */
  public @Nullable Long plannedBytes() {
    Long planned = null;
    for (LayerCost cost : outcome().ranks()) {
      Long other = cost.plannedBytes();
      planned = planned == null || (other != null && other > planned) ? other : planned;
    }
    return planned;
  }

  public long bytesSent() {
    return outcome().ranks().stream().mapToLong(LayerCost::bytesSent).max().orElse(0);
  }
}
