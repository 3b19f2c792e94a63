// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;

/**
 * The cost of one call, or of forward and backward together, on one rank; bytes are payload. With
 * AUTO, the strategy is forward's choice.
 */
public record RankCost(
    int rank,
    long queries,
    long keys,
    long bytesSent,
    long messagesSent,
    long interNodeBytesSent,
    double seconds,
    double computeSeconds,
    double exposedWaitSeconds,
    long peakBytes,
    long deviceBytes,
    Strategy ran) {

  /** The cost of two calls, one after the other. */
  static RankCost of(
      int rank,
      long queries,
      long keys,
      double seconds,
      long deviceBytes,
      Statistics forward,
      Statistics backward) {
    return new RankCost(
        rank,
        queries,
        keys,
        forward.bytesSent() + backward.bytesSent(),
        forward.messagesSent() + backward.messagesSent(),
        forward.interNodeBytesSent() + backward.interNodeBytesSent(),
        seconds,
        forward.computeSeconds() + backward.computeSeconds(),
        forward.exposedWaitSeconds() + backward.exposedWaitSeconds(),
        Math.max(forward.peakBytes(), backward.peakBytes()),
        deviceBytes,
        forward.strategy());
  }

  void write(DataOutput out) throws IOException {
    out.writeInt(rank);
    out.writeLong(queries);
    out.writeLong(keys);
    out.writeLong(bytesSent);
    out.writeLong(messagesSent);
    out.writeLong(interNodeBytesSent);
    out.writeDouble(seconds);
    out.writeDouble(computeSeconds);
    out.writeDouble(exposedWaitSeconds);
    out.writeLong(peakBytes);
    out.writeLong(deviceBytes);
    out.writeUTF(ran.name());
  }

  static RankCost read(DataInput in) throws IOException {
    return new RankCost(
        in.readInt(),
        in.readLong(),
        in.readLong(),
        in.readLong(),
        in.readLong(),
        in.readLong(),
        in.readDouble(),
        in.readDouble(),
        in.readDouble(),
        in.readLong(),
        in.readLong(),
        Strategy.valueOf(in.readUTF()));
  }

  public Map<String, Object> toJson() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("rank", rank);
    json.put("queries", queries);
    json.put("keys", keys);
    json.put("bytesSent", bytesSent);
    json.put("messagesSent", messagesSent);
    json.put("interNodeBytesSent", interNodeBytesSent);
    json.put("seconds", seconds);
    json.put("computeSeconds", computeSeconds);
    json.put("exposedWaitSeconds", exposedWaitSeconds);
    json.put("peakBytes", peakBytes);
    json.put("deviceBytes", deviceBytes);
    json.put("strategy", ran.name());
    return json;
  }
}
