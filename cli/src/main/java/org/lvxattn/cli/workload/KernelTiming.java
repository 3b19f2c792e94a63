// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import java.util.Arrays;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.Probe;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.UnsupportedRequestException;
import org.lvxattn.group.Group;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Inputs;

/**
 * Medians of one rank's attention and of its machine's rates, measured in alternation. A pass that
 * is shorter than a turn is repeated to fill it. A single pass would mostly measure the wake-up of
 * threads and the caches that the other measurements left.
 *
 * @param medianSeconds duration of one pass
 * @param bytesTouched lower bound of the bytes that the pass reads and writes: its inputs and
 *     results, once
 * @param gemmGflops rate of a float32 matrix product on the same threads; NaN if unknown
 * @param readGigabytesPerSecond rate at which the same threads read memory; on a GPU, the rate of a
 *     device-to-device copy, where read and written bytes both count
 */
public record KernelTiming(
    double medianSeconds, double bytesTouched, double gemmGflops, double readGigabytesPerSecond) {
  /** Rows and columns of the matrices: so large that larger products have the same rate. */
  private static final long GEMM_SIZE = 1536;

  /** Several times the size of a processor's last-level cache. */
  private static final long READ_BYTES = 512L << 20;

  /** Long enough for the JIT to compile the calls. */
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
        TensorScope open = new TensorScope(device)) {
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
          () ->
              attention.forwardInto(
                  group,
                  new AttentionInputs(q, k, v, Mask.none()),
                  new AttentionOutputs(o, lse),
                  statistics);
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
                    group,
                    new AttentionInputs(q, k, v, Mask.none()),
                    new AttentionOutputs(o, lse),
                    dO,
                    new GradientOutputs(dq, dk, dv, null),
                    statistics);
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

  /** NaN if the device does not support it. */
  private static double gemmSeconds(Device device) {
    try {
      return Probe.gemmSeconds(device, GEMM_SIZE);
    } catch (UnsupportedRequestException e) {
      return Double.NaN;
    }
  }

  /** Seconds of one pass, averaged over enough passes to take the given time; at least one. */
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
