// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What all layers, forward and backward where both ran, cost one rank.
 *
 * @param textRows of this rank
 * @param visualRows of this rank
 * @param bytesSent payload
 * @param seconds of one call of all layers
 * @param peakBytes the most that its device held, weights aside, which the ranks share
 * @param plannedBytes what {@link LayerMemory} says of that; null where AUTO chose the strategy
 */
public record LayerCost(
    int rank,
    long textRows,
    long visualRows,
    long bytesSent,
    double seconds,
    long peakBytes,
    @Nullable Long plannedBytes) {
  public Map<String, @Nullable Object> toJson() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("rank", rank);
    json.put("queries", textRows);
    json.put("keys", visualRows);
    json.put("bytesSent", bytesSent);
    json.put("seconds", seconds);
    json.put("peakBytes", peakBytes);
    json.put("plannedBytes", plannedBytes);
    return json;
  }
}
