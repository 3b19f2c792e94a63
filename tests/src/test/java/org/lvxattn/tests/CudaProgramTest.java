// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.AttentionForward;
import org.lvxattn.AttentionGradients;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.errors.RelativeError;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.testing.Seeds;

/** A program that names its device in one place only. */
@Tag("cuda")
@Timeout(300)
class CudaProgramTest {
  private static final int HEADS = 4;
  private static final int KEY_HEADS = 2;
  private static final int HEAD_DIM = 16;

  /** The program. */
  private static List<double[]> attend(Supplier<Device> opened, DType dtype) {
    var attention =
        CrossAttention.builder().heads(HEADS).keyValueHeads(KEY_HEADS).headDim(HEAD_DIM).build();
    try (Device device = opened.get();
        Group group = Group.self(device);
        Tensor q = noise(device, dtype, 1, 3, HEADS, HEAD_DIM);
        Tensor k = noise(device, dtype, 1, 21, KEY_HEADS, HEAD_DIM);
        Tensor v = noise(device, dtype, 1, 21, KEY_HEADS, HEAD_DIM);
        Tensor ranges = Tensor.allocate(device, DType.INT32, 1, 3, 1, 2);
        AttentionForward forward =
            attention.forward(
                group, q, k, v, Mask.visible(ranges.copyFrom(new int[] {0, 21, 5, 9, 7, 7})));
        AttentionGradients gradients = attention.backward(group, forward, forward.output())) {
      return List.of(
          forward.output().toDoubles(),
          forward.logSumExp().toDoubles(),
          gradients.query().toDoubles(),
          gradients.key().toDoubles(),
          gradients.value().toDoubles());
    }
  }

  /** Another program: decodes tokens one by one over keys that are sharded over four ranks. */
  private static List<double[]> decode(IntFunction<Device> devices) {
    var attention =
        CrossAttention.builder()
            .heads(HEADS)
            .keyValueHeads(KEY_HEADS)
            .headDim(HEAD_DIM)
            .strategy(Strategy.QUERY_GATHER)
            .build();
    return LocalWorld.run(
        4,
        GroupOptions.defaults(),
        devices,
        group -> {
          Device device = group.device();
          long rows = group.rank() == 0 ? 1 : 0;
          double[] outputs = new double[0];
          try (Tensor k = noise(device, DType.FLOAT32, 1, 5, KEY_HEADS, HEAD_DIM);
              Tensor v = noise(device, DType.FLOAT32, 1, 5, KEY_HEADS, HEAD_DIM);
              Tensor token = noise(device, DType.FLOAT32, 1, rows, HEADS, HEAD_DIM)) {
            for (int step = 0; step < 3; step++) {
              try (AttentionForward forward = attention.forward(group, token, k, v)) {
                outputs = forward.output().toDoubles();
                token.copyFrom(forward.output());
              }
            }
          }
          return outputs;
        });
  }

  private static Tensor noise(Device device, DType dtype, long... shape) {
    Tensor tensor = Tensor.allocate(device, dtype, shape);
    double[] values = new double[(int) tensor.elements()];
    Random random = Seeds.random(Arrays.hashCode(shape));
    Arrays.setAll(values, i -> random.nextGaussian());
    return tensor.copyFrom(values);
  }

  private static void assertClose(List<double[]> ours, List<double[]> reference, double bound) {
    assertThat(ours).hasSameSizeAs(reference);
    for (int i = 0; i < ours.size(); i++) {
      assertThat(RelativeError.of(ours.get(i), reference.get(i)))
          .as("result %d", i)
          .isLessThanOrEqualTo(bound);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT64", "FLOAT32", "BFLOAT16", "FLOAT16"})
  void forwardAndBackward(DType dtype) {
    double bound =
        switch (dtype) {
          case FLOAT64 -> 1e-12;
          case FLOAT32 -> 1e-5;
          case BFLOAT16 -> 3.2e-2; // each may be off by the guaranteed 1.6e-2
          default -> 4e-3;
        };
    assertClose(attend(TestDevice::open, dtype), attend(Device::cpu, dtype), bound);
  }

  @Test
  void decodingOverRanks() {
    assertClose(decode(TestDevice.forRanks(4)), decode(rank -> Device.cpu()), 1e-5);
  }

  @Test
  void sumsOverRanks() {
    List<float[]> sums =
        LocalWorld.run(
            3,
            GroupOptions.defaults(),
            TestDevice.forRanks(3),
            group -> {
              try (Tensor tensor = Tensor.allocate(group.device(), DType.FLOAT32, 5)) {
                float mine = group.rank() + 1;
                tensor.copyFrom(new float[] {mine, 10 * mine, 0, -mine, 0.5f});
                group.allReduce(tensor);
                return tensor.toFloats();
              }
            });
    assertThat(sums).allSatisfy(sum -> assertThat(sum).containsExactly(6, 60, 0, -6, 1.5f));
  }

  /** On the tests' device: shards of any size, with every strategy, against the oracle. */
  @ParameterizedTest
  @EnumSource
  void ranksOnOneGpuEqualTheOracle(Strategy strategy) {
    Workload work =
        new Workload(DType.FLOAT64, 1, 8, 4, 8, new int[] {2, 0, 3, 1}, new int[] {9, 4, 0, 7}, 71)
            .with(strategy)
            .withBias(72);
    Solve.onRanks(work).assertClose(Solve.byOracle(work), 1e-12, work);
  }

  @Test
  void randomSplitsEqualTheOracle() {
    int problems = Integer.getInteger("lvxattn.test.splits", 12);
    for (long seed = 1; seed <= problems; seed++) {
      Workload work = RandomWorkload.of(seed, DType.FLOAT64);
      Solve.onRanks(work).assertClose(Solve.byOracle(work), 1e-12, "seed " + seed + ": " + work);
    }
  }

  @ParameterizedTest
  @EnumSource
  void twoRunsGiveTheSameBits(Strategy strategy) {
    Workload work =
        new Workload(DType.BFLOAT16, 1, 4, 2, 16, new int[] {3, 0, 2}, new int[] {20, 7, 1}, 73)
            .with(strategy);
    if (strategy == Strategy.HEAD_ALL_TO_ALL) {
      work = work.onRanks(new int[] {3, 2}, new int[] {20, 8}).with(strategy);
    }
    Solve.onRanks(work).assertSameBits(Solve.onRanks(work), work);
  }
}
