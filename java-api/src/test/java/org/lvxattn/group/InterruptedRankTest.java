// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GroupInterruptedException;
import org.lvxattn.LvxException;
import org.lvxattn.PeerLostException;
import org.lvxattn.Problem;
import org.lvxattn.launch.Rendezvous;
import org.lvxattn.testing.Seeds;

/** Threads that are interrupted while they wait for a rank that does nothing. */
@Timeout(120)
class InterruptedRankTest {
  private static final CpuOptions ONE_THREAD = CpuOptions.builder().threads(1).build();
  private static final Duration PROMPTLY = Duration.ofSeconds(1);

  /** How an interrupted thread met its exception. */
  private record Met(LvxException failure, long at, boolean stillInterrupted, boolean failed) {}

  /** A call that waits for rank 1. */
  private interface Call {
    void of(Group group);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theCallEndsPromptlyAndTheOthersLearnWhoLeft(boolean isVirtual) throws Exception {
    interruptRank0(isVirtual, Group::barrier);
    interruptRank0(
        isVirtual,
        group -> {
          try (Problem problem = new Problem(group.device(), DType.FLOAT32, 3, 5, 9, 15, 1)) {
            problem.forward(group);
          }
        });
  }

  private static void interruptRank0(boolean isVirtual, Call call) throws Exception {
    AtomicReferenceArray<@Nullable Met> met = new AtomicReferenceArray<>(3);
    CountDownLatch waiting = new CountDownLatch(2);
    try (LocalWorld world = LocalWorld.of(3);
        Device stopped = Device.cpu(ONE_THREAD);
        Group silent = world.join(1, stopped)) {
      assertThat(silent.rank()).isEqualTo(1);
      Thread[] threads = new Thread[3];
      for (int rank : new int[] {0, 2}) {
        Thread.Builder builder = isVirtual ? Thread.ofVirtual() : Thread.ofPlatform();
        threads[rank] =
            builder
                .name("rank " + rank)
                .start(
                    () -> {
                      try (Device device = Device.cpu(ONE_THREAD);
                          Group group = world.join(rank, device)) {
                        waiting.countDown();
                        try {
                          call.of(group);
                        } catch (LvxException e) {
                          met.set(
                              rank,
                              new Met(
                                  e,
                                  System.nanoTime(),
                                  Thread.currentThread().isInterrupted(),
                                  group.failed()));
                        }
                      }
                    });
      }
      waiting.await();
      Thread.sleep(200);
      long begin = System.nanoTime();
      threads[0].interrupt();
      threads[0].join();
      threads[2].join();
      Met first = met.get(0);
      assertThat(first).isNotNull();
      assertThat(first.failure())
          .isInstanceOf(GroupInterruptedException.class)
          .hasMessage("interrupted while it waited for rank 1: thread rank 0 was interrupted");
      assertThat(Duration.ofNanos(first.at() - begin)).isLessThan(PROMPTLY);
      assertThat(first.stillInterrupted()).isTrue();
      assertThat(first.failed()).isTrue();
      assertThat(first.failure().getStackTrace())
          .anyMatch(frame -> frame.getClassName().startsWith(InterruptedRankTest.class.getName()));
      Met other = met.get(2);
      assertThat(other).isNotNull();
      assertThat(other.failure())
          .isInstanceOfSatisfying(PeerLostException.class, lost -> assertThat(lost.rank()).isZero())
          .hasMessageContaining("rank 0 left the group: interrupted while it waited for rank 1");
      assertThat(other.stillInterrupted()).isFalse();
    }
  }

  /**
   * A thread clears its interrupt status between calls. An interrupt that came too late for one
   * call must not end the next one: whenever a call ends so, the status must be set.
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void noCallEndsByAnInterruptOfAnEarlierOne(boolean isVirtual) throws Exception {
    Random random = new Random(Seeds.campaign());
    AtomicLong spurious = new AtomicLong();
    for (int round = 0; round < 10; round++) {
      CountDownLatch begun = new CountDownLatch(1);
      try (LocalWorld world = LocalWorld.of(2)) {
        Runnable rank =
            () -> {
              try (Device device = Device.cpu(ONE_THREAD);
                  Group group = world.join(begun.getCount() == 1 ? 1 : 0, device)) {
                begun.countDown();
                long expiry = System.nanoTime() + 200_000_000;
                try {
                  while (group.allGather(new byte[] {1}).size() == 2
                      && System.nanoTime() < expiry) {
                    Thread.interrupted();
                  }
                } catch (GroupInterruptedException e) {
                  if (!Thread.currentThread().isInterrupted()) {
                    spurious.incrementAndGet();
                  }
                } catch (PeerLostException e) {
                  // the other one was interrupted, or is done
                }
              }
            };
        Thread.Builder builder = isVirtual ? Thread.ofVirtual() : Thread.ofPlatform();
        Thread first = builder.start(rank);
        begun.await();
        Thread second = builder.start(rank);
        while (first.isAlive()) {
          Thread.sleep(Duration.ofNanos(random.nextInt(20_000_000)));
          first.interrupt();
        }
        second.join();
      }
    }
    assertThat(spurious).hasValue(0);
  }

  @Test
  void anInterruptOfARunEndsAllRanks() throws Exception {
    CountDownLatch begun = new CountDownLatch(2);
    FutureTask<Boolean> run =
        new FutureTask<>(
            () -> {
              assertThatExceptionOfType(IllegalStateException.class)
                  .isThrownBy(
                      () ->
                          LocalWorld.run(
                              2,
                              group -> {
                                begun.countDown();
                                if (group.rank() == 0) {
                                  group.barrier();
                                } else {
                                  sleep();
                                }
                                return null;
                              }))
                  .withMessageContaining("woken")
                  .satisfies(e -> assertThat(e.getSuppressed()).hasSize(1));
              return Thread.currentThread().isInterrupted();
            });
    Thread thread = Thread.ofPlatform().start(run);
    begun.await();
    long begin = System.nanoTime();
    thread.interrupt();
    assertThat(run.get()).isTrue();
    assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(PROMPTLY.multipliedBy(2));
  }

  private static void sleep() {
    try {
      Thread.sleep(Duration.ofMinutes(1));
    } catch (InterruptedException e) {
      throw new IllegalStateException("woken", e);
    }
  }

  /** Rank 1 gives its address, but does not connect. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theWaitForARankThatDoesNotJoinEnds(boolean isVirtual) throws Exception {
    byte[][] addresses = new byte[2][];
    CountDownLatch given = new CountDownLatch(2);
    CountDownLatch over = new CountDownLatch(1);
    Rendezvous rendezvous =
        (rank, size, mine, timeout) -> {
          synchronized (addresses) {
            addresses[rank] = mine;
          }
          given.countDown();
          try {
            given.await();
            if (rank == 1) {
              over.await();
            }
          } catch (InterruptedException e) {
            throw new AssertionError(e);
          }
          if (rank == 1) {
            throw new IllegalStateException("it was told to stay away");
          }
          synchronized (addresses) {
            return List.of(addresses[0], addresses[1]);
          }
        };
    AtomicReferenceArray<@Nullable Met> met = new AtomicReferenceArray<>(1);
    Thread absent = Thread.ofPlatform().start(() -> assertThat(join(1, rendezvous)).isNull());
    Thread.Builder builder = isVirtual ? Thread.ofVirtual() : Thread.ofPlatform();
    Thread thread = builder.name("joining").start(() -> met.set(0, join(0, rendezvous)));
    given.await();
    Thread.sleep(300);
    long begin = System.nanoTime();
    thread.interrupt();
    thread.join();
    over.countDown();
    absent.join();
    Met first = met.get(0);
    assertThat(first).isNotNull();
    assertThat(first.failure())
        .isInstanceOf(GroupInterruptedException.class)
        .hasMessage("interrupted while it waited for rank 1: thread joining was interrupted");
    assertThat(Duration.ofNanos(first.at() - begin)).isLessThan(PROMPTLY);
    assertThat(first.stillInterrupted()).isTrue();
  }

  private static @Nullable Met join(int rank, Rendezvous rendezvous) {
    try (Device device = Device.cpu(ONE_THREAD);
        Group group =
            Group.gloo(device, rank, 2, rendezvous, "127.0.0.1", GroupOptions.defaults())) {
      throw new AssertionError("joined " + group);
    } catch (LvxException e) {
      return new Met(e, System.nanoTime(), Thread.currentThread().isInterrupted(), true);
    } catch (IllegalStateException e) {
      return null;
    }
  }
}
