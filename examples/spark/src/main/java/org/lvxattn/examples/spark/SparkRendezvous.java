// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.examples.spark;

import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import org.apache.spark.BarrierTaskContext;
import org.lvxattn.launch.Rendezvous;

/**
 * A rendezvous of the tasks of a barrier stage, by Spark's all-gather. Spark's setting {@code
 * spark.barrier.sync.timeout} bounds the wait for other tasks.
 */
record SparkRendezvous(BarrierTaskContext context) implements Rendezvous {
  @Override
  public List<byte[]> allGather(int rank, int size, byte[] mine, Duration timeout) {
    String[] all = context.allGather(Base64.getEncoder().encodeToString(mine));
    return Arrays.stream(all).map(Base64.getDecoder()::decode).toList();
  }

  /** The host name by which Spark reaches this task's executor, without the port. */
  String ownHost() {
    String address = context.getTaskInfos()[context.partitionId()].address();
    int port = address.lastIndexOf(':');
    return port < 0 ? address : address.substring(0, port);
  }
}
