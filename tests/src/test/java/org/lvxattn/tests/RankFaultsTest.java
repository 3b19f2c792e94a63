// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.AttentionForward;
import org.lvxattn.CpuOptions;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.DeadlineExceededException;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.GroupException;
import org.lvxattn.GroupOptions;
import org.lvxattn.LocalWorld;
import org.lvxattn.Mask;
import org.lvxattn.PeerLostException;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;

/** One rank goes wrong: every other rank's call ends with an exception that names it. */
@Timeout(60)
class RankFaultsTest {
  private static final int RANKS = 3;
  private static final int OFFENDER = 1;

  /** A peer that is not told at once would wait for longer than a test may take. */
  private static final GroupOptions PATIENT =
      GroupOptions.defaults().withDeadline(Duration.ofMinutes(10));

  /** What one rank does with its group and its tensors. */
  @FunctionalInterface
  private interface Deed {
    void run(Group group, RankTensors own);
  }

  private static Workload work() {
    return new Workload(DType.FLOAT64, 1, 4, 2, 8, new int[] {2, 1, 2}, new int[] {3, 4, 2}, 41);
  }

  private static void forward(Group group, RankTensors own) {
    own.forward(group);
  }

  private static void forward(Group group, RankTensors own, Tensor q, Tensor k) {
    work().attention().forwardInto(group, q, k, own.v, own.mask, own.o, own.lse, own.forward);
  }

  private static void backward(Group group, RankTensors own) {
    own.backward(group);
  }

  private static void backward(Group group, RankTensors own, Tensor dO) {
    work()
        .attention()
        .backwardInto(
            group,
            own.q,
            own.k,
            own.v,
            own.mask,
            own.o,
            own.lse,
            dO,
            own.dq,
            own.dk,
            own.dv,
            null,
            own.backward);
  }

  /** What each rank's deed ended with, and then whether all can compute on in the same group. */
  private static List<@Nullable Throwable> outcomes(boolean goesOn, Deed wrong, Deed right) {
    return LocalWorld.run(
        RANKS,
        PATIENT,
        group -> {
          try (RankTensors own =
              new RankTensors(work(), DType.FLOAT64, group.device(), group.rank())) {
            Deed deed = group.rank() == OFFENDER ? wrong : right;
            Throwable outcome = catchThrowable(() -> deed.run(group, own));
            if (goesOn) {
              assertThat(group.failed()).isFalse();
              own.compute(group);
            }
            return outcome;
          }
        });
  }

  /** The offender's own mistake, after a check that all others were told of it. */
  private static Throwable mistake(Deed wrong, Deed right) {
    List<@Nullable Throwable> outcomes = outcomes(true, wrong, right);
    Throwable mistake = Objects.requireNonNull(outcomes.get(OFFENDER));
    String reason = String.valueOf(mistake.getMessage());
    for (int rank = 0; rank < RANKS; rank++) {
      if (rank != OFFENDER) {
        assertThat(outcomes.get(rank))
            .isInstanceOf(PeerMismatchException.class)
            .hasMessageContaining("rank " + OFFENDER)
            .hasMessageContaining(reason.substring(0, Math.min(60, reason.length())));
        assertThat(named(outcomes.get(rank))).isEqualTo(OFFENDER);
      }
    }
    return mistake;
  }

  private static int named(@Nullable Throwable failure) {
    return ((GroupException) Objects.requireNonNull(failure)).rank();
  }

  @Test
  void mistakesThatOnlyJavaSeesInForward() {
    Deed right = RankFaultsTest::forward;
    assertThat(mistake((group, own) -> forward(group, own, own.q, nil()), right))
        .isExactlyInstanceOf(NullPointerException.class)
        .hasMessage("k is null");
    assertThat(mistake((group, own) -> forward(group, own, closed(own.q), own.k), right))
        .isExactlyInstanceOf(IllegalStateException.class)
        .hasMessageContaining("q: the tensor was closed");
    assertThat(mistake((group, own) -> foreign(own, q -> forward(group, own, q, own.k)), right))
        .isExactlyInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("q is on another device");
    assertThat(mistake((group, own) -> forward(group, own, own.k, own.k), right))
        .isExactlyInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("q is Tensor[float64 [1, 4, 2, 8]]");
    assertThat(mistake(RankFaultsTest::forwardIntoReadOnlyMemory, right))
        .isExactlyInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("o wraps a read-only segment");
    assertThat(mistake(RankFaultsTest::forwardOfMemoryThatIsGone, right))
        .isExactlyInstanceOf(IllegalStateException.class)
        .hasMessageContaining("q: the segment's arena was closed");
  }

  @Test
  void mistakesInTheFormsThatAllocate() {
    CrossAttention attention = work().attention();
    Deed right = (group, own) -> attention.forward(group, own.q, own.k, own.v).close();
    assertThat(mistake((group, own) -> attention.forward(group, nil(), own.k, own.v), right))
        .hasMessage("q is null");
    assertThat(
            mistake((group, own) -> attention.forward(group, own.q, own.k, closed(own.v)), right))
        .hasMessageContaining("v: the tensor was closed");
    assertThat(mistake((group, own) -> attention.forward(group, own.q, own.k, own.v, nil()), right))
        .hasMessage("mask is null");
    Deed gradients = (group, own) -> backwardOf(attention, group, own, own.dO);
    assertThat(mistake((group, own) -> backwardOf(attention, group, own, nil()), gradients))
        .hasMessage("dO is null");
    CrossAttention other =
        CrossAttention.builder().heads(4).keyValueHeads(2).headDim(8).scale(3).build();
    assertThat(mistake((group, own) -> backwardOf(other, group, own, own.dO), gradients))
        .hasMessageContaining("forward was computed by CrossAttention");
    assertThat(mistake(RankFaultsTest::backwardWithAMissingBias, gradients))
        .hasMessageContaining("forward was computed without a bias");
  }

  @Test
  void mistakesInBackwardAreNamedAsInJava() {
    Deed right = RankFaultsTest::backward;
    assertThat(mistake((group, own) -> backward(group, own, closed(own.dO)), right))
        .isExactlyInstanceOf(IllegalStateException.class)
        .hasMessageContaining("dO: the tensor was closed");
    assertThat(mistake((group, own) -> backward(group, own, own.k), right))
        .isExactlyInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("dO: expected shape");
  }

  @Test
  void mistakesInAllGather() {
    Deed right = (group, own) -> group.allGather(new byte[] {1});
    assertThat(mistake((group, own) -> group.allGather(nil()), right)).hasMessage("mine is null");
    assertThat(mistake((group, own) -> group.allGather(new byte[0]), right))
        .isExactlyInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void anotherOperationIsNamedOnEveryRankAndTheGroupGoesOn() {
    List<@Nullable Throwable> outcomes =
        outcomes(true, RankFaultsTest::backward, RankFaultsTest::forward);
    assertMismatch(outcomes, "backward");
    outcomes = outcomes(true, (group, own) -> group.barrier(), RankFaultsTest::backward);
    assertMismatch(outcomes, "barrier");
  }

  @Test
  void anotherDtypeShapeScaleStrategyOrMaskIsNamedAndTheGroupGoesOn() {
    Workload good = work();
    assertMismatch(other(DType.FLOAT32, 1, 4, 2, 8, good.scale, good.strategy), "dtype float32");
    assertMismatch(other(DType.FLOAT64, 2, 4, 2, 8, good.scale, good.strategy), "batch 2");
    assertMismatch(other(DType.FLOAT64, 1, 6, 2, 8, good.scale, good.strategy), "query heads 6");
    assertMismatch(other(DType.FLOAT64, 1, 4, 4, 8, good.scale, good.strategy), "key heads 4");
    assertMismatch(other(DType.FLOAT64, 1, 4, 2, 16, good.scale, good.strategy), "headDim 16");
    assertMismatch(other(DType.FLOAT64, 1, 4, 2, 8, 7, good.strategy), "scale 7");
    assertMismatch(other(DType.FLOAT64, 1, 4, 2, 8, good.scale, Strategy.KV_RING), "strategy");
    assertMismatch(
        outcomes(true, RankFaultsTest::forwardWithVisibility, RankFaultsTest::forward),
        "a visibility");
  }

  /** The offender takes part with a problem of another kind. */
  private static List<@Nullable Throwable> other(
      DType dtype,
      int batch,
      int heads,
      int keyHeads,
      int headDim,
      double scale,
      Strategy strategy) {
    Workload work =
        new Workload(dtype, batch, heads, keyHeads, headDim, work().queries, work().keys, 42);
    work.scale = scale;
    work.strategy = strategy;
    return outcomes(
        true,
        (group, own) -> {
          try (RankTensors others = new RankTensors(work, dtype, group.device(), group.rank())) {
            others.compute(group);
          }
        },
        RankFaultsTest::forward);
  }

  private static void assertMismatch(List<@Nullable Throwable> outcomes, String what) {
    for (int rank = 0; rank < RANKS; rank++) {
      assertThat(outcomes.get(rank)).isInstanceOf(PeerMismatchException.class);
      if (rank != OFFENDER) {
        assertThat(named(outcomes.get(rank))).isEqualTo(OFFENDER);
        assertThat(outcomes.get(rank))
            .hasMessageContaining("rank " + OFFENDER)
            .hasMessageContaining(what);
      }
    }
  }

  @Test
  void aRankThatThrowsOrLeavesIsNamedOnEveryRank() {
    Deed leaves = (group, own) -> group.close();
    for (Deed right : List.<Deed>of(RankFaultsTest::forward, (group, own) -> group.barrier())) {
      List<@Nullable Throwable> outcomes = outcomes(false, leaves, right);
      assertThat(outcomes.get(OFFENDER)).isNull();
      for (int rank : new int[] {0, 2}) {
        assertThat(outcomes.get(rank)).isInstanceOf(PeerLostException.class);
        assertThat(named(outcomes.get(rank))).isEqualTo(OFFENDER);
      }
    }
    Throwable thrown =
        catchThrowable(
            () ->
                Ranks.run(
                    RANKS,
                    PATIENT,
                    group -> {
                      if (group.rank() == OFFENDER) {
                        throw new ArithmeticException("not my day");
                      }
                      group.barrier();
                    }));
    assertThat(thrown).isInstanceOf(ArithmeticException.class).hasMessage("not my day");
    assertThat(thrown.getSuppressed())
        .hasSize(RANKS - 1)
        .allSatisfy(peer -> assertThat(peer).isInstanceOf(PeerLostException.class))
        .allSatisfy(peer -> assertThat(named(peer)).isEqualTo(OFFENDER));
  }

  @Test
  void aRankThatStallsIsNamedWithinTheDeadlineAndANewGroupWorks() {
    CountDownLatch allGaveUp = new CountDownLatch(RANKS - 1);
    List<Device> devices = new ArrayList<>();
    for (int rank = 0; rank < RANKS; rank++) {
      devices.add(Device.cpu(CpuOptions.defaults().withThreads(1)));
    }
    Duration deadline = Duration.ofMillis(300);
    onDevices(
        devices,
        GroupOptions.defaults().withDeadline(deadline),
        group -> {
          if (group.rank() == OFFENDER) {
            await(allGaveUp);
            return;
          }
          long begin = System.nanoTime();
          try (RankTensors own =
              new RankTensors(work(), DType.FLOAT64, group.device(), group.rank())) {
            Throwable failure = catchThrowable(() -> forward(group, own));
            Duration waited = Duration.ofNanos(System.nanoTime() - begin);
            assertThat(failure).isInstanceOf(DeadlineExceededException.class);
            assertThat(named(failure)).isEqualTo(OFFENDER);
            assertThat(waited).isBetween(deadline, deadline.plusSeconds(5));
            assertThat(group.failed()).isTrue();
          } finally {
            allGaveUp.countDown();
          }
        });
    Results expected = Solve.byOracle(work());
    Results results = new Results(work());
    onDevices(
        devices,
        PATIENT,
        group -> {
          try (RankTensors own =
              new RankTensors(work(), DType.FLOAT64, group.device(), group.rank())) {
            own.compute(group);
            synchronized (results) {
              own.report(results);
            }
          }
        });
    results.assertClose(expected, 1e-12, "a new group on the same devices");
    for (Device device : devices) {
      assertThat(device.bytesInUse()).isZero();
      device.close();
    }
  }

  /** Runs a new group on devices that outlive it. */
  private static void onDevices(List<Device> devices, GroupOptions options, Consumer<Group> task) {
    List<Throwable> failures = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    Thread caller = Thread.currentThread();
    try (LocalWorld world = LocalWorld.of(devices.size(), options)) {
      for (Device device : devices) {
        Group group = world.join(threads.size(), device);
        Thread thread =
            new Thread(
                () -> {
                  Throwable failure = catchThrowable(() -> task.accept(group));
                  group.close();
                  device.handOver(caller);
                  if (failure != null) {
                    synchronized (failures) {
                      failures.add(failure);
                    }
                  }
                });
        device.handOver(thread);
        threads.add(thread);
      }
      threads.forEach(Thread::start);
      for (Thread thread : threads) {
        thread.join();
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
    assertThat(failures).isEmpty();
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static void forwardWithVisibility(Group group, RankTensors own) {
    try (Tensor ranges = Tensor.allocate(group.device(), DType.INT32, 1, own.q.dimension(1), 1, 2);
        AttentionForward forward =
            work().attention().forward(group, own.q, own.k, own.v, Mask.visible(ranges))) {
      throw new AssertionError("computed " + forward.output());
    }
  }

  private static void forwardIntoReadOnlyMemory(Group group, RankTensors own) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(own.o.elements() * Double.BYTES, 64).asReadOnly();
      try (Tensor o = Tensor.wrap(group.device(), memory, DType.FLOAT64, own.o.shape(), null)) {
        work()
            .attention()
            .forwardInto(group, own.q, own.k, own.v, own.mask, o, own.lse, own.forward);
      }
    }
  }

  private static void forwardOfMemoryThatIsGone(Group group, RankTensors own) {
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

  private static void backwardWithAMissingBias(Group group, RankTensors own) {
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
    try (Device other = Device.cpu(CpuOptions.defaults().withThreads(1));
        Tensor tensor = Tensor.allocate(other, own.q.dtype(), own.q.shape())) {
      use.accept(tensor);
    }
  }

  /** Null where none may be. */
  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  private static <T> T nil() {
    return (T) null;
  }
}
