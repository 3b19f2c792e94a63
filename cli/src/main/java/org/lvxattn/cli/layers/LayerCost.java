// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The cost of all layers on one rank: forward, and backward if it ran.
 *
 * @param textRows of this rank
 * @param visualRows of this rank
 * @param bytesSent payload that the rank sent
 * @param seconds duration of one call of all layers
 * @param peakBytes peak memory of its device, without the weights, which the ranks share
 * @param plannedBytes prediction of {@link LayerMemory}; null if AUTO chose the strategy
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
