// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.examples.spark;

import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import org.apache.spark.BarrierTaskContext;
import org.lvxattn.Rendezvous;

/**
 * The tasks of a barrier stage find each other by Spark. How long one waits for the others is
 * Spark's to say: {@code spark.barrier.sync.timeout}.
 */
record SparkRendezvous(BarrierTaskContext context) implements Rendezvous {
  @Override
  public List<byte[]> allGather(int rank, int size, byte[] mine, Duration timeout) {
    String[] all = context.allGather(Base64.getEncoder().encodeToString(mine));
    return Arrays.stream(all).map(Base64.getDecoder()::decode).toList();
  }

  /** The name by which Spark reaches this task's executor; without its port. */
  String ownHost() {
    String address = context.getTaskInfos()[context.partitionId()].address();
    int port = address.lastIndexOf(':');
    return port < 0 ? address : address.substring(0, port);
  }
}
