// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import java.util.Arrays;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.Mask;
import org.lvxattn.Probe;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.UnsupportedRequestException;

/**
 * Medians of one rank's attention and of its machine's own rates, measured in turns. A pass shorter
 * than a turn is repeated to fill it, as a single one would mostly time what waking up and the
 * caches left by the other measurements cost.
 *
 * @param medianSeconds one pass
 * @param bytesTouched what the pass must read and write at least: its inputs and results, once
 * @param gemmGflops rate of a float32 matrix product on the same threads; NaN: not known
 * @param readGigabytesPerSecond rate at which the same threads read memory; on a GPU, that of a
 *     copy within it, bytes read and bytes written together
 */
public record KernelTiming(
    double medianSeconds, double bytesTouched, double gemmGflops, double readGigabytesPerSecond) {
  /** Edge of the matrices: large enough for the rate to be that of longer products. */
  private static final long GEMM_SIZE = 1536;

  /** Several times what the last cache of a processor holds. */
  private static final long READ_BYTES = 512L << 20;

  /** Long enough for the virtual machine to compile the calls. */
  private static final double WARM_UP_SECONDS = 0.5;

  /** A turn of the pass takes at least this long. */
  private static final double TURN_SECONDS = 0.02;

  public static KernelTiming measure(
      Device device, Inputs inputs, DType dtype, boolean backward, int repeat, Runnable step) {
    AttentionShape shape = inputs.shape();
    CrossAttention attention =
        CrossAttention.builder()
            .heads(shape.queryHeads())
            .keyValueHeads(shape.keyHeads())
            .headDim(shape.headDim())
            .build();
    long[] queryShape = {shape.batch(), shape.queries(), shape.queryHeads(), shape.headDim()};
    long[] keyShape = {shape.batch(), shape.keys(), shape.keyHeads(), shape.headDim()};
    double[] seconds = new double[repeat];
    double[] gemm = new double[repeat];
    double[] read = new double[repeat];
    long bytes;
    try (Group group = Group.self(device);
        OpenTensors open = new OpenTensors(device)) {
      Tensor q = open.allocate(dtype, queryShape);
      Tensor k = open.allocate(dtype, keyShape);
      Tensor v = open.allocate(dtype, keyShape);
      Tensor o = open.allocate(dtype, queryShape);
      Tensor lse =
          open.allocate(dtype.accumulator(), shape.batch(), shape.queryHeads(), shape.queries());
      inputs.queries().fill(q, 0);
      inputs.keys().fill(k, 0);
      inputs.values().fill(v, 0);
      Statistics statistics = Statistics.create();
      Runnable forward =
          () -> attention.forwardInto(group, q, k, v, Mask.none(), o, lse, statistics);
      Runnable pass = forward;
      bytes = bytes(q, k, v, o, lse);
      if (backward) {
        Tensor dO = open.allocate(dtype, queryShape);
        Tensor dq = open.allocate(dtype, queryShape);
        Tensor dk = open.allocate(dtype, keyShape);
        Tensor dv = open.allocate(dtype, keyShape);
        inputs.outputGradient().fill(dO, 0);
        forward.run();
        bytes += bytes(dO, dq, dk, dv);
        pass =
            () ->
                attention.backwardInto(
                    group, q, k, v, Mask.none(), o, lse, dO, dq, dk, dv, null, statistics);
      }
      repeated(device, pass, WARM_UP_SECONDS);
      for (int round = -1; round < repeat; round++) {
        double gemmSeconds = gemmSeconds(device);
        double readSeconds = Probe.readSeconds(device, READ_BYTES);
        double passSeconds = repeated(device, pass, TURN_SECONDS);
        if (round >= 0) {
          gemm[round] = gemmSeconds;
          read[round] = readSeconds;
          seconds[round] = passSeconds;
        }
        step.run();
      }
    }
    double gemmFlops = 2.0 * GEMM_SIZE * GEMM_SIZE * GEMM_SIZE;
    return new KernelTiming(
        median(seconds), bytes, gemmFlops / median(gemm) * 1e-9, READ_BYTES / median(read) * 1e-9);
  }

  /** NaN where the device does not tell. */
  private static double gemmSeconds(Device device) {
    try {
      return Probe.gemmSeconds(device, GEMM_SIZE);
    } catch (UnsupportedRequestException e) {
      return Double.NaN;
    }
  }

  /** Seconds of one pass, over as many as take that long: one at least. */
  private static double repeated(Device device, Runnable pass, double atLeast) {
    device.synchronize();
    long begin = System.nanoTime();
    double seconds;
    long passes = 0;
    do {
      pass.run();
      device.synchronize();
      passes++;
      seconds = (System.nanoTime() - begin) * 1e-9;
    } while (seconds < atLeast);
    return seconds / passes;
  }

  private static long bytes(Tensor... tensors) {
    return Arrays.stream(tensors).mapToLong(t -> t.elements() * t.dtype().bytes()).sum();
  }

  static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
