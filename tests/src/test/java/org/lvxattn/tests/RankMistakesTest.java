// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.lvxattn.tests.RankMistake.OFFENDER;
import static org.lvxattn.tests.RankMistake.RANKS;
import static org.lvxattn.tests.RankMistake.work;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.AttentionForward;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CpuOptions;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GradientOutputs;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.tests.RankMistake.RankAction;

/**
 * One rank calls with wrong arguments; some are detected in Java, some in native code. Its peers
 * are told at once and can continue.
 */
@Timeout(300)
class RankMistakesTest {
  /** The failing rank's own exception, after a check that all others were told of it. */
  private static Throwable mistake(RankAction wrong, RankAction right) {
    List<@Nullable Throwable> outcomes = RankMistake.outcomes(true, wrong, right);
    Throwable mistake = Objects.requireNonNull(outcomes.get(OFFENDER));
    String reason = String.valueOf(mistake.getMessage());
    for (int rank = 0; rank < RANKS; rank++) {
      if (rank != OFFENDER) {
        assertThat(outcomes.get(rank))
            .isInstanceOf(PeerMismatchException.class)
            .hasMessageContaining("rank " + OFFENDER)
            .hasMessageContaining(reason.substring(0, Math.min(60, reason.length())));
        assertThat(RankMistake.named(outcomes.get(rank))).isEqualTo(OFFENDER);
      }
    }
    return mistake;
  }

  @Test
  void mistakesThatOnlyJavaSeesInForward() {
    RankAction right = RankTensors::forward;
    assertThat(mistake((own, group) -> forward(group, own, own.q, nil()), right))
        .isExactlyInstanceOf(NullPointerException.class)
        .hasMessage("k is null");
    assertThat(mistake((own, group) -> forward(group, own, closed(own.q), own.k), right))
        .isExactlyInstanceOf(IllegalStateException.class)
        .hasMessageContaining("q: the tensor was closed");
    assertThat(mistake((own, group) -> foreign(own, q -> forward(group, own, q, own.k)), right))
        .isExactlyInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("q is on another device");
    assertThat(mistake((own, group) -> forward(group, own, own.k, own.k), right))
        .isExactlyInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("q is Tensor[float64 [1, 4, 2, 8]]");
    assertThat(mistake(RankMistakesTest::forwardIntoReadOnlyMemory, right))
        .isExactlyInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("o wraps a read-only segment");
    assertThat(mistake(RankMistakesTest::forwardOfMemoryThatIsGone, right))
        .isExactlyInstanceOf(IllegalStateException.class)
        .hasMessageContaining("q: the segment's arena was closed");
  }

  @Test
  void mistakesInTheFormsThatAllocate() {
    CrossAttention attention = work().attention();
    RankAction right = (own, group) -> attention.forward(group, own.q, own.k, own.v).close();
    assertThat(mistake((own, group) -> attention.forward(group, nil(), own.k, own.v), right))
        .hasMessage("q is null");
    assertThat(
            mistake((own, group) -> attention.forward(group, own.q, own.k, closed(own.v)), right))
        .hasMessageContaining("v: the tensor was closed");
    assertThat(mistake((own, group) -> attention.forward(group, own.q, own.k, own.v, nil()), right))
        .hasMessage("mask is null");
    RankAction gradients = (own, group) -> backwardOf(attention, group, own, own.dO);
    assertThat(mistake((own, group) -> backwardOf(attention, group, own, nil()), gradients))
        .hasMessage("dO is null");
    CrossAttention other =
        CrossAttention.builder().heads(4).keyValueHeads(2).headDim(8).scale(3).build();
    assertThat(mistake((own, group) -> backwardOf(other, group, own, own.dO), gradients))
        .hasMessageContaining("forward was computed by CrossAttention");
    assertThat(mistake(RankMistakesTest::backwardWithAMissingBias, gradients))
        .hasMessageContaining("forward was computed without a bias");
  }

  @Test
  void mistakesInBackwardAreNamedAsInJava() {
    RankAction right = RankTensors::backward;
    assertThat(mistake((own, group) -> backward(group, own, closed(own.dO)), right))
        .isExactlyInstanceOf(IllegalStateException.class)
        .hasMessageContaining("dO: the tensor was closed");
    assertThat(mistake((own, group) -> backward(group, own, own.k), right))
        .isExactlyInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("dO: expected shape");
  }

  @Test
  void mistakesInAllGather() {
    RankAction right = (own, group) -> group.allGather(new byte[] {1});
    assertThat(mistake((own, group) -> group.allGather(nil()), right)).hasMessage("mine is null");
    assertThat(mistake((own, group) -> group.allGather(new byte[0]), right))
        .isExactlyInstanceOf(IllegalArgumentException.class);
  }

  private static void forward(Group group, RankTensors own, Tensor q, Tensor k) {
    work()
        .attention()
        .forwardInto(
            group,
            new AttentionInputs(q, k, own.v, own.mask),
            new AttentionOutputs(own.o, own.lse),
            own.forward);
  }

  private static void backward(Group group, RankTensors own, Tensor dO) {
    work()
        .attention()
        .backwardInto(
            group,
            new AttentionInputs(own.q, own.k, own.v, own.mask),
            new AttentionOutputs(own.o, own.lse),
            dO,
            new GradientOutputs(own.dq, own.dk, own.dv, null),
            own.backward);
  }

  private static void forwardIntoReadOnlyMemory(RankTensors own, Group group) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(own.o.elements() * Double.BYTES, 64).asReadOnly();
      try (Tensor o = Tensor.wrap(group.device(), memory, DType.FLOAT64, own.o.shape(), null)) {
        work()
            .attention()
            .forwardInto(
                group,
                new AttentionInputs(own.q, own.k, own.v, own.mask),
                new AttentionOutputs(o, own.lse),
                own.forward);
      }
    }
  }

  private static void forwardOfMemoryThatIsGone(RankTensors own, Group group) {
    Tensor q;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(own.q.elements() * Double.BYTES, 64);
      q = Tensor.wrap(group.device(), memory, DType.FLOAT64, own.q.shape(), null);
    }
    try (q) {
      forward(group, own, q, own.k);
    }
  }

  private static void backwardOf(
      CrossAttention attention, Group group, RankTensors own, Tensor dO) {
    try (AttentionForward forward = work().attention().forward(group, own.q, own.k, own.v)) {
      attention.backward(group, forward, dO).close();
    }
  }

  private static void backwardWithAMissingBias(RankTensors own, Group group) {
    CrossAttention attention = work().attention();
    try (AttentionForward forward = attention.forward(group, own.q, own.k, own.v)) {
      attention.backwardWithBias(group, forward, own.dO).close();
    }
  }

  private static Tensor closed(Tensor tensor) {
    Tensor copy = Tensor.allocate(tensor.device(), tensor.dtype(), tensor.shape());
    copy.close();
    return copy;
  }

  private static void foreign(RankTensors own, Consumer<Tensor> use) {
    try (Device other = Device.cpu(CpuOptions.builder().threads(1).build());
        Tensor tensor = Tensor.allocate(other, own.q.dtype(), own.q.shape())) {
      use.accept(tensor);
    }
  }

  /** Passes null where it is not allowed. */
  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  private static <T> T nil() {
    return (T) null;
  }
}
