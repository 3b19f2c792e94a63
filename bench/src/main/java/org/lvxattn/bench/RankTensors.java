// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;

/** One rank's inputs and outputs of attention, allocated once for any number of calls. */
public final class RankTensors implements AutoCloseable {
  /** Number of random rows that long inputs repeat; values do not affect the time. */
  private static final long NOISE_ROWS = 512;

  private final Group group;
  private final Deque<Tensor> open = new ArrayDeque<>();
  private final Tensor q;
  private final Tensor k;
  private final Tensor v;
  private final Tensor o;
  private final Tensor lse;
  private final @Nullable Gradients gradients;

  private record Gradients(Tensor dO, Tensor dq, Tensor dk, Tensor dv) {}

  /** Tensors for {@link #forward} and, if {@code backward}, for {@link #backward}. */
  public RankTensors(Group group, Sizes shard, DType dtype, boolean backward) {
    this.group = group;
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(group.rank());
    long[] queries = {shard.batch(), shard.queries(), shard.heads(), shard.headDim()};
    long[] keys = {shard.batch(), shard.keys(), shard.keyValueHeads(), shard.headDim()};
    q = noise(random, dtype, queries);
    k = noise(random, dtype, keys);
    v = noise(random, dtype, keys);
    o = empty(dtype, queries);
    lse = empty(dtype.accumulator(), shard.batch(), shard.heads(), shard.queries());
    gradients =
        backward
            ? new Gradients(
                noise(random, dtype, queries),
                empty(dtype, queries),
                empty(dtype, keys),
                empty(dtype, keys))
            : null;
  }

  /** Attention with the heads of the given sizes. */
  public static CrossAttention attention(Sizes sizes, Strategy strategy) {
    return CrossAttention.builder()
        .heads(sizes.heads())
        .keyValueHeads(sizes.keyValueHeads())
        .headDim(sizes.headDim())
        .strategy(strategy)
        .build();
  }

  /** Computes forward. Collective, like {@link CrossAttention#forwardInto}. */
  public void forward(CrossAttention attention, Statistics statistics) {
    attention.forwardInto(
        group, new AttentionInputs(q, k, v, Mask.none()), new AttentionOutputs(o, lse), statistics);
  }

  /** Computes backward from the last {@link #forward}. Collective. */
  public void backward(CrossAttention attention, Statistics statistics) {
    Gradients to = gradients;
    if (to == null) {
      throw new IllegalStateException("made for forward alone");
    }
    attention.backwardInto(
        group,
        new AttentionInputs(q, k, v, Mask.none()),
        new AttentionOutputs(o, lse),
        to.dO,
        new GradientOutputs(to.dq, to.dk, to.dv, null),
        statistics);
  }

  /** Lower bound of the bytes that a pass reads and writes: its inputs and results, once. */
  public long bytes() {
    return open.stream().mapToLong(tensor -> tensor.elements() * tensor.dtype().bytes()).sum();
  }

  private Tensor empty(DType dtype, long... shape) {
    Tensor tensor = Tensor.allocate(group.device(), dtype, shape);
    open.push(tensor);
    return tensor;
  }

  private Tensor noise(RandomGenerator random, DType dtype, long... shape) {
    Tensor tensor = empty(dtype, shape);
    long rows = Math.min(shape[1], NOISE_ROWS);
    Tensor first = tensor.slice(1, 0, rows);
    float[] values = new float[Math.toIntExact(first.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    first.copyFrom(values);
    for (long begin = rows; begin < shape[1]; begin += rows) {
      long count = Math.min(rows, shape[1] - begin);
      tensor.slice(1, begin, begin + count).copyFrom(tensor.slice(1, 0, count));
    }
    return tensor;
  }

  /** The rank's device, for other measurements. */
  public Device device() {
    return group.device();
  }

  @Override
  public void close() {
    while (!open.isEmpty()) {
      open.pop().close();
    }
  }
}
