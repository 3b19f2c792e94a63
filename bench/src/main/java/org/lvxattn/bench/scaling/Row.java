// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.scaling;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Strategy;

/**
 * One strategy at one point of a sweep.
 *
 * @param series description of the links; rows of one series form one chart
 * @param ranks number of ranks
 * @param sizes {@code B,Sq,Skv,Hq,Hkv,D} over all ranks
 * @param dtype of the tensors
 * @param keysPerQuery Skv / Sq
 * @param bytesPerSecond bandwidth of a rank's link in each direction
 * @param flopsPerByte operations that a rank computes in the time its link carries a byte, at the
 *     rates measured before and after
 * @param strategy the strategy
 * @param seconds forward plus backward on the slowest rank, median
 * @param lowSeconds the fastest round
 * @param highSeconds the slowest round
 * @param plannedSeconds prediction of the planner with these rates
 * @param computeSeconds the longest time that a rank computes, median
 * @param linkSeconds the longest time that a rank's outgoing link is busy, without latencies: bytes
 *     / bandwidth
 * @param exposedSeconds the longest time that a rank waits for transfers, median
 * @param plannedExposedSeconds prediction of the planner
 * @param chosen whether the planner would choose it
 */
record Row(
    String series,
    int ranks,
    String sizes,
    String dtype,
    double keysPerQuery,
    double bytesPerSecond,
    double flopsPerByte,
    Strategy strategy,
    double seconds,
    double lowSeconds,
    double highSeconds,
    double plannedSeconds,
    double computeSeconds,
    double linkSeconds,
    double exposedSeconds,
    double plannedExposedSeconds,
    boolean chosen) {

  /** Measured time / planned time. */
  double overPlan() {
    return seconds / plannedSeconds;
  }

  /**
   * Measured time / lower bound of a call: the larger of its compute time and its busiest link's.
   */
  double overBound() {
    return seconds / Math.max(computeSeconds, linkSeconds);
  }

  Map<String, Object> toJson() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("series", series);
    json.put("ranks", ranks);
    json.put("sizes", sizes);
    json.put("dtype", dtype);
    json.put("keysPerQuery", keysPerQuery);
    json.put("bytesPerSecond", bytesPerSecond);
    json.put("flopsPerByte", flopsPerByte);
    json.put("strategy", strategy.name());
    json.put("seconds", seconds);
    json.put("lowSeconds", lowSeconds);
    json.put("highSeconds", highSeconds);
    json.put("plannedSeconds", plannedSeconds);
    json.put("overPlan", overPlan());
    json.put("computeSeconds", computeSeconds);
    json.put("linkSeconds", linkSeconds);
    json.put("exposedSeconds", exposedSeconds);
    json.put("plannedExposedSeconds", plannedExposedSeconds);
    json.put("chosen", chosen);
    return json;
  }

  static Row fromJson(Map<?, ? extends @Nullable Object> json) {
    return new Row(
        text(json, "series"),
        (int) number(json, "ranks"),
        text(json, "sizes"),
        text(json, "dtype"),
        number(json, "keysPerQuery"),
        number(json, "bytesPerSecond"),
        number(json, "flopsPerByte"),
        Strategy.valueOf(text(json, "strategy")),
        number(json, "seconds"),
        number(json, "lowSeconds"),
        number(json, "highSeconds"),
        number(json, "plannedSeconds"),
        number(json, "computeSeconds"),
        number(json, "linkSeconds"),
        number(json, "exposedSeconds"),
        number(json, "plannedExposedSeconds"),
        Boolean.TRUE.equals(json.get("chosen")));
  }

  private static String text(Map<?, ? extends @Nullable Object> json, String name) {
    return String.valueOf(json.get(name));
  }

  private static double number(Map<?, ? extends @Nullable Object> json, String name) {
    if (json.get(name) instanceof Number number) {
      return number.doubleValue();
    }
    throw new IllegalArgumentException("a row's " + name + " is " + json.get(name));
  }
}
