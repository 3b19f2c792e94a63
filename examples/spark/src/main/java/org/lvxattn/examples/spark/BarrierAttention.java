// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.examples.spark;

import java.io.Serializable;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.lvxattn.AttentionForward;
import org.lvxattn.CpuOptions;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import scala.collection.Iterator;
import scala.collection.JavaConverters;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;
import scala.runtime.AbstractFunction1;

/**
 * Cross-attention of a text over visual tokens in an RDD. In a barrier stage all tasks run at the
 * same time. Each task is a rank of a Gloo group: its partition is the rank's shard of keys and
 * values, and it takes an equal part of the queries. The tokens stay in their partitions; only
 * queries and partial results are sent, and not through Spark.
 */
public final class BarrierAttention {
  private final Sizes sizes;
  private final Duration timeout;

  /**
   * Creates attention of the given sizes.
   *
   * @param timeout the longest time that a task waits for another
   */
  public BarrierAttention(Sizes sizes, Duration timeout) {
    this.sizes = sizes;
    this.timeout = timeout;
  }

  /**
   * The output, [queries, heads, headDim].
   *
   * @param queries [queries, heads, headDim]
   * @param tokens in the order of their partitions; Spark needs a free slot for each partition
   */
  public float[] forward(float[] queries, JavaRDD<VisualTokens> tokens) {
    Task task = new Task(sizes, timeout, queries);
    ClassTag<float[]> rows = ClassTag$.MODULE$.apply(float[].class);
    float[][] parts = (float[][]) tokens.rdd().barrier().mapPartitions(task, true, rows).collect();
    float[] output = new float[queries.length];
    int at = 0;
    for (float[] part : parts) {
      System.arraycopy(part, 0, output, at, part.length);
      at += part.length;
    }
    return output;
  }

  /** The task that Spark sends to the executors. */
  private static final class Task
      extends AbstractFunction1<Iterator<VisualTokens>, Iterator<float[]>> implements Serializable {
    private static final long serialVersionUID = 1;

    private final Sizes sizes;
    private final Duration timeout;
    private final float[] queries;

    Task(Sizes sizes, Duration timeout, float[] queries) {
      this.sizes = sizes;
      this.timeout = timeout;
      this.queries = queries;
    }

    /** One rank's work, on the thread of its task. */
    @Override
    public Iterator<float[]> apply(Iterator<VisualTokens> partition) {
      BarrierTaskContext context = BarrierTaskContext.get();
      SparkRendezvous rendezvous = new SparkRendezvous(context);
      int rank = context.partitionId();
      int ranks = context.getTaskInfos().length;
      VisualTokens tokens = VisualTokens.concatenated(JavaConverters.asJava(partition));
      int cores = Math.max(1, context.cpus());
      try (Device device = Device.cpu(CpuOptions.builder().threads(cores).build());
          Group group =
              Group.gloo(
                  device,
                  rank,
                  ranks,
                  rendezvous,
                  rendezvous.ownHost(),
                  GroupOptions.builder().timeout(timeout).build())) {
        float[] rows = forward(group, queriesOf(rank, ranks), tokens);
        return JavaConverters.asScala(List.of(rows).iterator());
      }
    }

    /** This rank's part of the queries; the parts differ by at most one row. */
    private float[] queriesOf(int rank, int ranks) {
      int width = sizes.queryWidth();
      long rows = queries.length / width;
      int begin = (int) (rows * rank / ranks);
      int end = (int) (rows * (rank + 1) / ranks);
      return Arrays.copyOfRange(queries, begin * width, end * width);
    }

    private float[] forward(Group group, float[] q, VisualTokens tokens) {
      CrossAttention attention =
          CrossAttention.builder()
              .heads(sizes.heads())
              .keyValueHeads(sizes.keyValueHeads())
              .headDim(sizes.headDim())
              .build();
      try (Tensor queryTensor = tensor(group.device(), sizes.heads(), q);
          Tensor keys = tensor(group.device(), sizes.keyValueHeads(), tokens.keys());
          Tensor values = tensor(group.device(), sizes.keyValueHeads(), tokens.values());
          AttentionForward result = attention.forward(group, queryTensor, keys, values)) {
        return result.output().toFloats();
      }
    }

    /** A batch of one: [1, rows, heads, headDim]. */
    private Tensor tensor(Device device, int heads, float[] elements) {
      int rows = elements.length / (heads * sizes.headDim());
      return Tensor.allocate(device, DType.FLOAT32, 1, rows, heads, sizes.headDim())
          .copyFrom(elements);
    }
  }
}
