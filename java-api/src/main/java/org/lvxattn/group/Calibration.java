// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.Pass;
import org.lvxattn.Probe;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.plan.AttentionSizes;
import org.lvxattn.plan.Link;
import org.lvxattn.plan.Machine;
import org.lvxattn.plan.Topology;

/**
 * Measures what a planner needs to know. All methods are collective: every rank of the group calls
 * them at the same time with the same arguments and gets the same answer. They take about a second;
 * nothing else should run meanwhile.
 */
public final class Calibration {
  private static final int REPEATS = 3;

  /** Larger than most caches, and still read quickly. */
  private static final long READ_BYTES = 64L << 20;

  /** Messages have 2 KiB per key: few keys measure the latency, many the bandwidth. */
  private static final int FEW_KEYS = 4;

  private static final int MANY_KEYS = 4096;
  private static final int LINK_HEAD_DIM = 256;
  private static final long BYTES_PER_KEY = 2L * LINK_HEAD_DIM * Float.BYTES;

  private Calibration() {}

  /**
   * The rates of the slowest rank's kernels while all ranks compute, by the group's clock.
   *
   * @param group this rank's part in the group
   * @param sizes of the attention to measure
   * @param queries number of queries of one block
   * @param keys number of keys of one block
   * @throws IllegalArgumentException if queries, keys or the batch is not positive
   */
  public static Machine machine(Group group, AttentionSizes sizes, long queries, long keys) {
    Preconditions.require(queries > 0, "queries", queries, "1 or more");
    Preconditions.require(keys > 0, "keys", keys, "1 or more");
    Preconditions.require(sizes.batch() > 0, "batch", sizes.batch(), "1 or more");
    double[] forward = new double[REPEATS];
    double[] backward = new double[REPEATS];
    double pairs = (double) sizes.batch() * queries * keys;
    group.barrier();
    try (Block block = new Block(group.device(), sizes, queries, keys);
        Tensor own = Tensor.allocate(group.device(), DType.INT32, sizes.batch(), queries, 1, 2)) {
      Mask mask = Mask.visible(own.copyFrom(ownKeys(group, own.elements(), keys)));
      for (int repeat = -1; repeat < REPEATS; repeat++) {
        double forwardSeconds = block.forward(group, mask);
        double backwardSeconds = block.backward(group, mask);
        if (repeat >= 0) {
          forward[repeat] = sizes.flops(pairs, Pass.FORWARD) / forwardSeconds;
          backward[repeat] = sizes.flops(pairs, Pass.BACKWARD) / backwardSeconds;
        }
      }
    }
    double[] slowest = agree(group, median(forward), median(backward), readRate(group));
    return new Machine(slowest[0], slowest[1], slowest[2]);
  }

  /** Only rank 0 reads, and the others wait: ranks may share processors. */
  private static double readRate(Group group) {
    group.barrier();
    if (group.rank() != 0) {
      return Double.POSITIVE_INFINITY;
    }
    double[] rates = new double[REPEATS];
    for (int repeat = 0; repeat < REPEATS; repeat++) {
      rates[repeat] = READ_BYTES / Probe.readSeconds(group.device(), READ_BYTES);
    }
    return median(rates);
  }

  /** Ranges with which a rank's queries see only its own keys, so that no data moves. */
  private static int[] ownKeys(Group group, long ends, long keys) {
    int[] ranges = new int[Math.toIntExact(ends)];
    for (int i = 0; i < ranges.length; i++) {
      ranges[i] = Math.toIntExact((group.rank() + i % 2) * keys);
    }
    return ranges;
  }

  /**
   * The links of the group, measured between ranks 0 and 1 and between the first ranks of the first
   * two nodes. A link that is too fast to be measured is {@link Link#INSTANT}.
   *
   * @param group this rank's part in the group
   * @param ranksPerNode as in the group's options, but at least 1
   * @param sharedInter whether the ranks of a node share their link to other nodes
   */
  public static Topology topology(Group group, int ranksPerNode, boolean sharedInter) {
    Link intra =
        ranksPerNode > 1 && group.size() > 1 ? link(group, Math.min(1, group.size() - 1)) : null;
    Link inter = group.size() > ranksPerNode ? link(group, ranksPerNode) : null;
    if (intra == null) {
      intra = inter == null ? Link.INSTANT : inter;
    }
    return new Topology(ranksPerNode, intra, inter == null ? intra : inter, sharedInter);
  }

  /** The link between rank 0 and a peer: rank 0 has the only query, which sees the peer's keys. */
  private static Link link(Group group, int peer) {
    double few = waitSeconds(group, peer, FEW_KEYS);
    double many = waitSeconds(group, peer, MANY_KEYS);
    double nothing = waitSeconds(group, 0, FEW_KEYS);
    double seconds = -agree(group, -Math.max(many - few, 0))[0];
    double latency = -agree(group, -Math.max(few - nothing, 0))[0];
    if (seconds == 0) {
      return Link.INSTANT;
    }
    double bytesPerSecond = (MANY_KEYS - FEW_KEYS) * BYTES_PER_KEY / seconds;
    double ownTime = FEW_KEYS * BYTES_PER_KEY / bytesPerSecond;
    return new Link(bytesPerSecond, Math.max(latency - ownTime, 0));
  }

  /** The shortest time for which rank 0 waited for keys of a rank; 0 on other ranks. */
  private static double waitSeconds(Group group, int from, int keys) {
    AttentionSizes sizes = new AttentionSizes(1, 1, 1, LINK_HEAD_DIM, DType.FLOAT32);
    boolean asks = group.rank() == 0;
    double shortest = Double.POSITIVE_INFINITY;
    try (Block block = new Block(group.device(), sizes, asks ? 1 : 0, keys);
        Tensor ranges = Tensor.allocate(group.device(), DType.INT32, 1, asks ? 1 : 0, 1, 2)) {
      ranges.copyFrom(asks ? new int[] {from * keys, (from + 1) * keys} : new int[0]);
      for (int repeat = -1; repeat < REPEATS; repeat++) {
        Statistics statistics = block.receive(group, Mask.visible(ranges));
        if (repeat >= 0) {
          shortest = Math.min(shortest, statistics.totalSeconds() - statistics.computeSeconds());
        }
      }
    }
    return asks ? shortest : 0;
  }

  /** The minimum of each value over the ranks. */
  private static double[] agree(Group group, double... mine) {
    ByteBuffer bytes = ByteBuffer.allocate(mine.length * Double.BYTES);
    bytes.asDoubleBuffer().put(mine);
    double[] least = mine.clone();
    for (byte[] theirs : group.allGather(bytes.array())) {
      for (int i = 0; i < mine.length; i++) {
        least[i] = Math.min(least[i], ByteBuffer.wrap(theirs).getDouble(i * Double.BYTES));
      }
    }
    return least;
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    return values[values.length / 2];
  }

  /** One rank's tensors. */
  private static final class Block implements AutoCloseable {
    private final CrossAttention attention;
    private final CrossAttention gathering;
    private final Statistics statistics = Statistics.create();
    private final Tensor q;
    private final Tensor k;
    private final Tensor v;
    private final Tensor o;
    private final Tensor lse;
    private final Tensor dq;
    private final Tensor dk;
    private final Tensor dv;
    private final List<Tensor> all;

    Block(Device device, AttentionSizes sizes, long queries, long keys) {
      CrossAttention.Builder builder =
          CrossAttention.builder()
              .heads(sizes.heads())
              .keyValueHeads(sizes.keyValueHeads())
              .headDim(sizes.headDim());
      attention = builder.build();
      gathering = builder.strategy(Strategy.KV_GATHER).build();
      long[] queryShape = {sizes.batch(), queries, sizes.heads(), sizes.headDim()};
      long[] keyShape = {sizes.batch(), keys, sizes.keyValueHeads(), sizes.headDim()};
      q = Tensor.allocate(device, sizes.dtype(), queryShape);
      k = Tensor.allocate(device, sizes.dtype(), keyShape);
      v = Tensor.allocate(device, sizes.dtype(), keyShape);
      o = Tensor.allocate(device, sizes.dtype(), queryShape);
      lse =
          Tensor.allocate(
              device, sizes.dtype().accumulator(), sizes.batch(), sizes.heads(), queries);
      dq = Tensor.allocate(device, sizes.dtype(), queryShape);
      dk = Tensor.allocate(device, sizes.dtype(), keyShape);
      dv = Tensor.allocate(device, sizes.dtype(), keyShape);
      all = List.of(q, k, v, o, lse, dq, dk, dv);
    }

    double forward(Group group, Mask mask) {
      return seconds(
          group,
          () ->
              attention.forwardInto(
                  group,
                  new AttentionInputs(q, k, v, mask),
                  new AttentionOutputs(o, lse),
                  statistics));
    }

    double backward(Group group, Mask mask) {
      return seconds(
          group,
          () ->
              attention.backwardInto(
                  group,
                  new AttentionInputs(q, k, v, mask),
                  new AttentionOutputs(o, lse),
                  o,
                  new GradientOutputs(dq, dk, dv, null),
                  statistics));
    }

    /** Times a call, including work that it enqueued on a GPU. */
    private double seconds(Group group, Runnable call) {
      Device device = group.device();
      if (device.kind() == Device.Kind.CPU) {
        call.run();
        return statistics.computeSeconds();
      }
      device.synchronize();
      long begin = System.nanoTime();
      call.run();
      device.synchronize();
      return (System.nanoTime() - begin) * 1e-9;
    }

    Statistics receive(Group group, Mask mask) {
      gathering.forwardInto(
          group, new AttentionInputs(q, k, v, mask), new AttentionOutputs(o, lse), statistics);
      return statistics;
    }

    @Override
    public void close() {
      all.forEach(Tensor::close);
    }
  }
}
