// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.group.Group;
import org.lvxattn.testing.Seeds;

/** Devices that threads release, lease, reclaim and close. */
@Timeout(120)
class DeviceOwnershipTest {
  private static final CpuOptions ONE_THREAD = CpuOptions.builder().threads(1).build();

  /** What a thread of the test does. */
  private interface Work {
    void run() throws Exception;
  }

  @Test
  void aHundredLeasesFromRandomThreads() throws Exception {
    Random random = new Random(Seeds.campaign());
    Device device = Device.cpu(ONE_THREAD);
    Group group = Group.self(device);
    Problem problem = Problem.alone(device, DType.FLOAT32);
    float[] expected;
    try (AttentionForward forward =
        problem.attention.forward(group, problem.q, problem.k, problem.v)) {
      expected = forward.output().toFloats();
    }
    device.release();
    int[] leases = {0}; // not atomic: each lease happens before the next one
    List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      long pause = random.nextInt(2000);
      Thread.Builder builder = random.nextBoolean() ? Thread.ofVirtual() : Thread.ofPlatform();
      threads.add(
          builder.start(
              () -> {
                try {
                  Thread.sleep(Duration.ofNanos(1000 * pause));
                  try (DeviceLease lease = device.acquire();
                      AttentionForward forward =
                          problem.attention.forward(group, problem.q, problem.k, problem.v)) {
                    assertThat(lease.device()).isSameAs(device);
                    assertThat(forward.output().toFloats()).containsExactly(expected);
                    leases[0]++;
                  }
                } catch (Throwable e) {
                  failures.add(e);
                }
              }));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertThat(failures).isEmpty();
    try (DeviceLease lease = device.acquire()) {
      assertThat(lease.device().owner()).isSameAs(Thread.currentThread());
      assertThat(leases[0]).isEqualTo(100);
      problem.close();
      group.close();
    }
    device.close();
  }

  @Test
  void nobodyUsesAReleasedDevice() throws Exception {
    try (Device device = Device.cpu(ONE_THREAD);
        Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 2);
        Group group = Group.self(device)) {
      device.release();
      assertThat(device.owner()).isNull();
      for (Work use :
          List.<Work>of(tensor::toFloats, group::barrier, device::synchronize, device::release)) {
        assertThatExceptionOfType(WrongThreadException.class)
            .isThrownBy(use::run)
            .withMessageContaining("belongs to no thread")
            .withMessageContaining("Device.acquire");
      }
      assertThatIllegalStateException()
          .isThrownBy(device::reclaim)
          .withMessageContaining("belongs to no thread");
      DeviceLease lease = device.acquire();
      assertThat(tensor.toFloats()).hasSize(2);
      lease.close();
      lease.close();
      assertThat(device.owner()).isNull();
      // Kept, for the end of this test.
      assertThat(device.tryAcquire(Duration.ZERO)).isNotNull();
    }
  }

  @Test
  void threadsGetItInTheOrderInWhichTheyBeganToWait() throws Exception {
    try (Device device = Device.cpu(ONE_THREAD)) {
      List<Integer> order = Collections.synchronizedList(new ArrayList<>());
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        int number = i;
        Thread thread =
            start(
                () -> {
                  try (DeviceLease lease = device.acquire()) {
                    assertThat(lease.device()).isSameAs(device);
                    order.add(number);
                  }
                });
        threads.add(thread);
        while (thread.getState() != Thread.State.WAITING) {
          Thread.sleep(1);
        }
      }
      device.release();
      for (Thread thread : threads) {
        thread.join();
      }
      assertThat(order).containsExactly(0, 1, 2, 3, 4, 5, 6, 7);
      assertThat(device.tryAcquire(Duration.ofSeconds(1))).isNotNull();
    }
  }

  @Test
  void aLeaseOfTheOwnerReleasesNothing() throws Exception {
    try (Device device = Device.cpu(ONE_THREAD)) {
      try (DeviceLease lease = device.acquire();
          DeviceLease again = device.tryAcquire(Duration.ZERO)) {
        assertThat(again).isNotNull();
        assertThat(lease).isNotSameAs(again);
      }
      assertThat(device.owner()).isSameAs(Thread.currentThread());
      device.release();
      try (DeviceLease outer = device.acquire()) {
        try (DeviceLease inner = device.acquire()) {
          assertThat(inner.device()).isSameAs(outer.device());
        }
        assertThat(device.owner()).isSameAs(Thread.currentThread());
      }
      assertThat(device.owner()).isNull();
    }
  }

  /** A lease that was ended by other means must not end a later owner's. */
  @Test
  void aLeaseThatHasEndedReleasesNothing() throws Exception {
    try (Device device = Device.cpu(ONE_THREAD)) {
      device.release();
      DeviceLease first = device.acquire();
      device.release();
      DeviceLease second = device.acquire();
      first.close();
      assertThat(device.owner()).isSameAs(Thread.currentThread());
      assertThatExceptionOfType(WrongThreadException.class)
          .isThrownBy(() -> onAnotherThread(second::close))
          .withMessageContaining("lease belongs to thread " + Thread.currentThread().getName());
      device.handOver(Thread.currentThread());
      second.close();
      assertThat(device.owner()).isSameAs(Thread.currentThread());
    }
  }

  @Test
  void waitsEndByTimeoutInterruptAndClose() throws Exception {
    Device device = Device.cpu(ONE_THREAD);
    onAnotherThread(
        () -> {
          long begin = System.nanoTime();
          assertThat(device.tryAcquire(Duration.ofMillis(50))).isNull();
          assertThat(System.nanoTime() - begin).isGreaterThanOrEqualTo(50_000_000);
          assertThat(device.tryAcquire(Duration.ofSeconds(-1))).isNull();
        });
    AtomicReference<Throwable> met = new AtomicReference<>();
    Thread waiting =
        start(
            () -> {
              try {
                met.set(new AssertionError("got " + device.acquire()));
              } catch (InterruptedException | IllegalStateException e) {
                met.set(e);
              }
            });
    waiting.interrupt();
    waiting.join();
    assertThat(met.get()).isInstanceOf(InterruptedException.class);
    List<Thread> others = new ArrayList<>();
    CountDownLatch refused = new CountDownLatch(3);
    for (int i = 0; i < 3; i++) {
      others.add(
          start(
              () -> {
                try {
                  device.acquire();
                } catch (IllegalStateException e) {
                  assertThat(e).hasMessageContaining("the device was closed");
                  refused.countDown();
                }
              }));
    }
    device.close();
    for (Thread other : others) {
      other.join();
    }
    refused.await();
    assertThatIllegalStateException().isThrownBy(device::acquire).withMessageContaining("closed");
    assertThatIllegalStateException().isThrownBy(device::release);
    assertThatIllegalStateException().isThrownBy(device::reclaim);
  }

  @Test
  void itIsReclaimedFromAThreadThatHasEnded() throws Exception {
    AtomicReference<@Nullable Device> opened = new AtomicReference<>();
    AtomicReference<@Nullable Tensor> filled = new AtomicReference<>();
    CountDownLatch open = new CountDownLatch(1);
    CountDownLatch over = new CountDownLatch(1);
    Thread owner =
        Thread.ofPlatform()
            .name("short-lived")
            .start(
                () -> {
                  Device device = Device.cpu(ONE_THREAD);
                  opened.set(device);
                  filled.set(Tensor.of(device, DType.FLOAT32, new float[] {3, 4}, 2));
                  open.countDown();
                  awaitQuietly(over);
                });
    open.await();
    Device device = present(opened.get());
    Tensor tensor = present(filled.get());
    assertThatExceptionOfType(WrongThreadException.class)
        .isThrownBy(device::reclaim)
        .withMessageContaining("short-lived, which is alive");
    over.countDown();
    owner.join();
    assertThatExceptionOfType(WrongThreadException.class)
        .isThrownBy(tensor::toFloats)
        .withMessageContaining("short-lived, which has ended")
        .withMessageContaining("Device.reclaim");
    device.reclaim();
    device.reclaim();
    assertThat(tensor.toFloats()).containsExactly(3, 4);
    device.handOver(Thread.ofVirtual().name("yet to come").unstarted(() -> {}));
    assertThatExceptionOfType(WrongThreadException.class)
        .isThrownBy(device::reclaim)
        .withMessageContaining("yet to come, which has not started");
    assertThatExceptionOfType(WrongThreadException.class)
        .isThrownBy(device::close)
        .withMessageContaining("yet to come");
    present(device.owner()).start();
    present(device.owner()).join();
    device.reclaim();
    tensor.close();
    device.close();
  }

  @Test
  void anyThreadReadsFiguresAndClosesAnIdleDevice() throws Exception {
    Device device = Device.cpu(ONE_THREAD);
    Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 1024);
    onAnotherThread(
        () -> {
          assertThat(device.bytesInUse()).isGreaterThanOrEqualTo(4096);
          assertThat(device.peakBytes()).isGreaterThanOrEqualTo(4096);
          assertThat(device.gpu()).isEmpty();
          assertThat(device.attentionBackendChoices()).isEmpty();
          assertThatExceptionOfType(WrongThreadException.class).isThrownBy(device::close);
        });
    device.release();
    onAnotherThread(
        () ->
            assertThatIllegalStateException()
                .isThrownBy(device::close)
                .withMessageContaining("1 tensor"));
    assertThat(device.owner()).isNull();
    try (DeviceLease lease = device.acquire()) {
      assertThat(lease.device()).isSameAs(device);
      tensor.close();
    }
    onAnotherThread(device::close);
    onAnotherThread(device::close);
    assertThatIllegalStateException().isThrownBy(device::bytesInUse);
  }

  /** Figures must neither fail nor make the owner's calls fail while these run. */
  @Test
  void figuresAreReadDuringCalls() throws Exception {
    try (Device device = Device.cpu(ONE_THREAD);
        Group group = Group.self(device);
        Problem problem = Problem.alone(device, DType.FLOAT32)) {
      CountDownLatch over = new CountDownLatch(1);
      AtomicReference<Throwable> failure = new AtomicReference<>();
      Thread reader =
          Thread.ofPlatform()
              .start(
                  () -> {
                    try {
                      while (over.getCount() > 0) {
                        assertThat(device.peakBytes()).isGreaterThanOrEqualTo(device.bytesInUse());
                        assertThat(device.attentionBackendChoices()).isEmpty();
                      }
                    } catch (Throwable e) {
                      failure.set(e);
                    }
                  });
      for (int i = 0; i < 200; i++) {
        problem.attention.forward(group, problem.q, problem.k, problem.v).close();
      }
      over.countDown();
      reader.join();
      assertThat(failure.get()).isNull();
    }
  }

  private static Thread start(Work work) {
    return Thread.ofPlatform()
        .start(
            () -> {
              try {
                work.run();
              } catch (Exception e) {
                throw new AssertionError(e);
              }
            });
  }

  /** Rethrows the other thread's exception. */
  private static void onAnotherThread(Work work) throws Exception {
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Thread thread =
        Thread.ofPlatform()
            .start(
                () -> {
                  try {
                    work.run();
                  } catch (Throwable e) {
                    failure.set(e);
                  }
                });
    thread.join();
    Throwable met = failure.get();
    if (met instanceof Exception exception) {
      throw exception;
    }
    if (met instanceof Error error) {
      throw error;
    }
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static <T> T present(@Nullable T value) {
    if (value == null) {
      throw new AssertionError("absent");
    }
    return value;
  }
}
