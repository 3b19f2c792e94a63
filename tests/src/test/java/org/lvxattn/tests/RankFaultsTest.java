// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.lvxattn.tests.RankMistake.OFFENDER;
import static org.lvxattn.tests.RankMistake.PATIENT;
import static org.lvxattn.tests.RankMistake.RANKS;
import static org.lvxattn.tests.RankMistake.named;
import static org.lvxattn.tests.RankMistake.work;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.AttentionForward;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.PeerLostException;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.PeerTimeoutException;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.tests.RankMistake.RankAction;

/** One rank fails: every other rank's call throws an exception that names it. */
@Timeout(300)
class RankFaultsTest {
  @Test
  void anotherOperationIsNamedOnEveryRankAndTheGroupGoesOn() {
    List<@Nullable Throwable> outcomes =
        RankMistake.outcomes(true, RankTensors::backward, RankTensors::forward);
    assertMismatch(outcomes, "backward");
    outcomes = RankMistake.outcomes(true, (own, group) -> group.barrier(), RankTensors::backward);
    assertMismatch(outcomes, "barrier");
  }

  @Test
  void anotherDtypeShapeScaleStrategyOrMaskIsNamedAndTheGroupGoesOn() {
    Workload good = work();
    assertMismatch(other(DType.FLOAT32, 1, 4, 2, 8, good.scale, good.strategy), "dtype float32");
    assertMismatch(other(DType.FLOAT64, 2, 4, 2, 8, good.scale, good.strategy), "batch 2");
    assertMismatch(other(DType.FLOAT64, 1, 6, 2, 8, good.scale, good.strategy), "query heads 6");
    assertMismatch(other(DType.FLOAT64, 1, 4, 4, 8, good.scale, good.strategy), "key heads 4");
    assertMismatch(other(DType.FLOAT64, 1, 4, 2, 16, good.scale, good.strategy), "head dim 16");
    assertMismatch(other(DType.FLOAT64, 1, 4, 2, 8, 7, good.strategy), "scale 7");
    assertMismatch(other(DType.FLOAT64, 1, 4, 2, 8, good.scale, Strategy.KV_RING), "strategy");
    assertMismatch(
        RankMistake.outcomes(true, RankFaultsTest::forwardWithVisibility, RankTensors::forward),
        "a visibility");
  }

  /** The failing rank calls with a different problem. */
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
    return RankMistake.outcomes(
        true,
        (own, group) -> {
          try (RankTensors others = new RankTensors(work, dtype, group.device(), group.rank())) {
            others.compute(group);
          }
        },
        RankTensors::forward);
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
    RankAction leaves = (own, group) -> group.close();
    for (RankAction right :
        List.<RankAction>of(RankTensors::forward, (own, group) -> group.barrier())) {
      List<@Nullable Throwable> outcomes = RankMistake.outcomes(false, leaves, right);
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
  void aRankThatStallsIsNamedWithinTheTimeoutAndANewGroupWorks() {
    CountDownLatch allGaveUp = new CountDownLatch(RANKS - 1);
    List<Device> devices = new ArrayList<>();
    for (int rank = 0; rank < RANKS; rank++) {
      devices.add(Device.cpu(CpuOptions.builder().threads(1).build()));
    }
    Duration timeout = Duration.ofSeconds(1);
    AtomicLong first = new AtomicLong(Long.MAX_VALUE); // when a rank began to wait
    onDevices(
        devices,
        GroupOptions.builder().timeout(timeout).build(),
        group -> {
          if (group.rank() == OFFENDER) {
            await(allGaveUp);
            return;
          }
          try (RankTensors own =
              new RankTensors(work(), DType.FLOAT64, group.device(), group.rank())) {
            first.accumulateAndGet(System.nanoTime(), Math::min);
            Throwable failure = catchThrowable(() -> own.forward(group));
            Duration waited = Duration.ofNanos(System.nanoTime() - first.get());
            assertThat(failure).isInstanceOf(PeerTimeoutException.class);
            assertThat(named(failure)).isEqualTo(OFFENDER);
            // Not before the timeout, and not at the default of 60 s.
            assertThat(waited).isBetween(timeout, timeout.plusSeconds(30));
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

  private static void forwardWithVisibility(RankTensors own, Group group) {
    try (Tensor ranges = Tensor.allocate(group.device(), DType.INT32, 1, own.q.dimension(1), 1, 2);
        AttentionForward forward =
            work().attention().forward(group, own.q, own.k, own.v, Mask.visible(ranges))) {
      throw new AssertionError("computed " + forward.output());
    }
  }
}
