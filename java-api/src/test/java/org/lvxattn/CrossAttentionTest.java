// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;

class CrossAttentionTest {
  private Device device;
  private Group group;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
    group = Group.self(device);
  }

  @AfterEach
  void close() {
    group.close();
    device.close();
  }

  @Test
  void agreesWithTheOracleForwardAndBackward() {
    try (Problem ours = Problem.alone(device, DType.FLOAT64);
        Problem oracle = Problem.alone(device, DType.FLOAT64)) {
      ours.forward(group);
      ours.backward(group);
      double scale = ours.attention.scale();
      ReferenceAttention.forward(
          scale, oracle.q, oracle.k, oracle.v, oracle.mask, oracle.o, oracle.lse);
      ReferenceAttention.backward(
          scale,
          oracle.q,
          oracle.k,
          oracle.v,
          oracle.mask,
          oracle.o,
          oracle.lse,
          oracle.dO,
          oracle.dq,
          oracle.dk,
          oracle.dv,
          oracle.dBias);
      assertClose(ours.o, oracle.o);
      assertClose(ours.lse, oracle.lse);
      assertClose(ours.dq, oracle.dq);
      assertClose(ours.dk, oracle.dk);
      assertClose(ours.dv, oracle.dv);
      assertClose(ours.dBias, oracle.dBias);
    }
  }

  @Test
  void theFormThatAllocatesGivesTheSameBits() {
    try (Problem problem = Problem.alone(device, DType.FLOAT32)) {
      CrossAttention attention = problem.attention;
      try (AttentionForward forward =
              attention.forward(group, problem.q, problem.k, problem.v, problem.mask);
          AttentionGradients gradients = attention.backwardWithBias(group, forward, problem.dO);
          // With a bias, exact backward needs lse with its terms, which the other form keeps.
          Tensor lse =
              Tensor.allocate(device, DType.FLOAT32, forward.logSumExpWithTerms().shape())) {
        attention.forwardInto(
            group,
            new AttentionInputs(problem.q, problem.k, problem.v, problem.mask),
            new AttentionOutputs(problem.o, lse),
            problem.statistics);
        attention.backwardInto(
            group,
            new AttentionInputs(problem.q, problem.k, problem.v, problem.mask),
            new AttentionOutputs(problem.o, lse),
            problem.dO,
            new GradientOutputs(problem.dq, problem.dk, problem.dv, problem.dBias),
            problem.statistics);
        assertThat(forward.output().toFloats()).isEqualTo(problem.o.toFloats());
        assertThat(forward.logSumExpWithTerms().toFloats()).isEqualTo(lse.toFloats());
        assertThat(lse.toFloats()).startsWith(forward.logSumExp().toFloats());
        assertThat(gradients.query().toFloats()).isEqualTo(problem.dq.toFloats());
        assertThat(gradients.key().toFloats()).isEqualTo(problem.dk.toFloats());
        assertThat(gradients.value().toFloats()).isEqualTo(problem.dv.toFloats());
        Tensor bias = Objects.requireNonNull(gradients.bias());
        assertThat(bias.toFloats()).isEqualTo(problem.dBias.toFloats());
        assertThat(forward.statistics().totalSeconds()).isPositive();
        assertThat(forward.statistics().bytesSent()).isZero();
      }
    }
  }

  @Test
  void bfloat16KeepsItsSumsInFloat32() {
    try (Problem problem = Problem.alone(device, DType.BFLOAT16);
        AttentionForward forward =
            problem.attention.forward(group, problem.q, problem.k, problem.v);
        AttentionGradients gradients = problem.attention.backward(group, forward, problem.dO)) {
      assertThat(forward.output().dtype()).isEqualTo(DType.BFLOAT16);
      assertThat(forward.logSumExp().dtype()).isEqualTo(DType.FLOAT32);
      assertThat(gradients.key().dtype()).isEqualTo(DType.BFLOAT16);
      assertThat(gradients.bias()).isNull();
    }
  }

  @Test
  void wrappedMemoryIsComputedWithInPlace() {
    try (Arena arena = Arena.ofConfined();
        Problem problem = Problem.alone(device, DType.FLOAT32)) {
      problem.forward(group);
      MemorySegment memory = arena.allocate(problem.o.elements() * Float.BYTES, 64);
      try (Tensor o = Tensor.wrap(device, memory, DType.FLOAT32, problem.o.shape(), null)) {
        problem.attention.forwardInto(
            group,
            new AttentionInputs(problem.q, problem.k, problem.v, problem.mask),
            new AttentionOutputs(o, problem.lse),
            problem.statistics);
        assertThat(o.toFloats()).isEqualTo(problem.o.toFloats());
      }
    }
  }

  @Test
  void anArenaCannotBeClosedWhileItsMemoryIsComputedWith() throws InterruptedException {
    GroupOptions options = GroupOptions.builder().timeout(Duration.ofSeconds(1)).build();
    AtomicReference<Throwable> refusal = new AtomicReference<>();
    try (Arena arena = Arena.ofShared();
        LocalWorld world = LocalWorld.of(2, options);
        Group waiting = world.join(0, device);
        Problem problem = Problem.alone(device, DType.FLOAT32);
        Tensor q =
            Tensor.wrap(
                device,
                arena.allocate(problem.q.elements() * Float.BYTES, 64),
                DType.FLOAT32,
                problem.q.shape(),
                null)) {
      Thread closer =
          new Thread(
              () -> {
                while (waiting.flightRecords().isEmpty()) {
                  Thread.onSpinWait();
                }
                refusal.set(catchThrowable(arena::close));
              });
      closer.start();
      assertThatThrownBy(() -> problem.attention.forward(waiting, q, problem.k, problem.v))
          .isInstanceOf(PeerTimeoutException.class);
      closer.join();
      assertThat(refusal.get()).isInstanceOf(IllegalStateException.class);
      assertThat(arena.scope().isAlive()).isTrue();
    }
  }

  @Test
  void mergingTwoHalvesOfTheKeysGivesTheWhole() {
    try (Problem problem = Problem.alone(device, DType.FLOAT64);
        AttentionForward whole = problem.attention.forward(group, problem.q, problem.k, problem.v);
        Tensor k1 = problem.k.slice(1, 0, 2);
        Tensor v1 = problem.v.slice(1, 0, 2);
        Tensor k2 = problem.k.slice(1, 2, 5);
        Tensor v2 = problem.v.slice(1, 2, 5);
        AttentionForward first = problem.attention.forward(group, problem.q, k1, v1);
        AttentionForward second = problem.attention.forward(group, problem.q, k2, v2);
        Tensor delta = Tensor.allocate(device, DType.FLOAT64, problem.lse.shape())) {
      PartialAttention.merge(
          device, second.output(), second.logSumExp(), first.output(), first.logSumExp());
      assertClose(first.output(), whole.output());
      assertClose(first.logSumExp(), whole.logSumExp());

      PartialAttention.delta(device, whole.output(), problem.dO, delta);
      double[] o = whole.output().toDoubles();
      double[] dO = problem.dO.toDoubles();
      double expected = 0;
      for (int i = 0; i < Problem.HEAD_DIM; i++) {
        expected += o[i] * dO[i];
      }
      assertThat(delta.toDoubles()[0]).isCloseTo(expected, within(1e-14));
    }
  }

  @ParameterizedTest
  @EnumSource
  void fourRanksEqualOne(Strategy strategy) {
    int[] queries = {2, 0, 3, 1};
    int[] keys = {0, 7, 2, 4};
    List<double[]> parts =
        LocalWorld.run(
            4,
            ring -> {
              int rank = ring.rank();
              try (Problem whole = new Problem(ring.device(), DType.FLOAT64, 6, 13, 6, 13, 5);
                  Tensor q = shard(whole.q, queries, rank);
                  Tensor k = shard(whole.k, keys, rank);
                  Tensor v = shard(whole.v, keys, rank);
                  AttentionForward forward = with(strategy).forward(ring, q, k, v)) {
                if (strategy == Strategy.AUTO) {
                  assertThat(Strategy.schedules()).contains(forward.statistics().strategy());
                } else {
                  assertThat(forward.statistics().strategy()).isEqualTo(strategy);
                }
                return forward.output().toDoubles();
              }
            });
    try (Problem whole = new Problem(device, DType.FLOAT64, 6, 13, 6, 13, 5);
        AttentionForward forward = whole.attention.forward(group, whole.q, whole.k, whole.v)) {
      for (int rank = 0; rank < 4; rank++) {
        try (Tensor expected = shard(forward.output(), queries, rank)) {
          assertThat(parts.get(rank)).containsExactly(expected.toDoubles(), within(1e-12));
        }
      }
    }
  }

  @Test
  void configurationIsChecked() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> CrossAttention.builder().headDim(12))
        .withMessageContaining("headDim is 12; a multiple of 8");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> CrossAttention.builder().heads(0))
        .withMessageContaining("heads is 0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> CrossAttention.builder().scale(Double.NaN))
        .withMessageContaining("scale is NaN");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> CrossAttention.builder().heads(4).keyValueHeads(3).headDim(8).build())
        .withMessageContaining("keyValueHeads is 3");
    assertThatIllegalStateException()
        .isThrownBy(() -> CrossAttention.builder().heads(4).build())
        .withMessageContaining("headDim was not set");
    CrossAttention attention = CrossAttention.builder().heads(4).headDim(64).build();
    assertThat(attention.scale()).isEqualTo(0.125);
    assertThat(attention.keyValueHeads()).isEqualTo(4);
  }

  @Test
  void backwardWantsTheAttentionOfForward() {
    CrossAttention other =
        CrossAttention.builder()
            .heads(Problem.HEADS)
            .keyValueHeads(Problem.KEY_HEADS)
            .headDim(Problem.HEAD_DIM)
            .scale(2)
            .build();
    try (Problem problem = Problem.alone(device, DType.FLOAT32);
        AttentionForward forward =
            problem.attention.forward(group, problem.q, problem.k, problem.v)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> other.backward(group, forward, problem.dO))
          .withMessageContaining("forward was computed by");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> problem.attention.backwardWithBias(group, forward, problem.dO))
          .withMessageContaining("without a bias");
    }
    assertThat(device.bytesInUse()).isZero();
  }

  private static CrossAttention with(Strategy strategy) {
    return CrossAttention.builder()
        .heads(Problem.HEADS)
        .keyValueHeads(Problem.KEY_HEADS)
        .headDim(Problem.HEAD_DIM)
        .strategy(strategy)
        .build();
  }

  private static Tensor shard(Tensor whole, int[] sizes, int rank) {
    long from = Arrays.stream(sizes).limit(rank).sum();
    return whole.slice(1, from, from + sizes[rank]);
  }

  private static void assertClose(Tensor actual, Tensor expected) {
    assertThat(actual.toDoubles()).containsExactly(expected.toDoubles(), within(1e-12));
  }
}
