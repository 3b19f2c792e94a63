// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.lvxattn.oracle.Results;
import org.lvxattn.plan.RecomputePolicy;

/**
 * The runs of one policy.
 *
 * @param rounds at least one, ordered by duration
 * @param flops over all ranks
 * @param errors of the output and the inputs' gradients; empty if nothing was checked
 * @param weightErrors of the gradients of all parameters of all layers
 */
public record PolicyResult(
    RecomputePolicy policy,
    List<LayersRun.Outcome> rounds,
    double flops,
    Map<String, Double> errors,
    Map<String, Double> weightErrors) {
  /** The round with the median time; of two, the faster. */
  public LayersRun.Outcome outcome() {
    return rounds.stream()
        .sorted(Comparator.comparingDouble(LayersRun.Outcome::seconds))
        .toList()
        .get((rounds.size() - 1) / 2);
  }

  /** Time relative to another policy in the same round; median over the rounds. */
  public double secondsOver(PolicyResult other) {
    double[] ratios =
        IntStream.range(0, rounds.size())
            .mapToDouble(i -> rounds.get(i).seconds() / other.rounds.get(i).seconds())
            .sorted()
            .toArray();
    return ratios[(ratios.length - 1) / 2];
  }

  /**
   * The runs, and the errors of the first.
   *
   * @param reference exact results, or null if nothing is checked
   */
  public static PolicyResult of(
      RecomputePolicy policy,
      List<LayersRun.Outcome> rounds,
      double flops,
      @Nullable Results reference) {
    Map<String, Double> errors = new LinkedHashMap<>();
    Map<String, Double> weightErrors = new LinkedHashMap<>();
    Results results = rounds.getFirst().results();
    if (results != null && reference != null) {
      LayerErrors.of(results, reference)
          .forEach(
              (name, error) -> {
                if (name.startsWith(LayersRun.WEIGHT)) {
                  weightErrors.put(name.substring(LayersRun.WEIGHT.length()), error);
                } else {
                  errors.put(name, error);
                }
              });
    }
    return new PolicyResult(policy, rounds, flops, errors, weightErrors);
  }

  /** The parameter whose gradient has the largest error; null if none was checked. */
  public Map.@Nullable Entry<String, Double> worstWeight() {
    Map.Entry<String, Double> worst = null;
    for (Map.Entry<String, Double> each : weightErrors.entrySet()) {
      if (worst == null || Double.compare(each.getValue(), worst.getValue()) > 0) { // NaN is worst
        worst = each;
      }
    }
    return worst;
  }

  /** Peak memory of the rank with the most memory, without weights. */
  public long peakBytes() {
    return outcome().ranks().stream().mapToLong(LayerCost::peakBytes).max().orElse(0);
  }

  /** Planned peak memory of the rank with the most memory; null if there is no plan. */
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
