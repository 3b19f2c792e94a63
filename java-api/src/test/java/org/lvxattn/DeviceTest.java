// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.lvxattn.group.Group;

class DeviceTest {
  @Test
  void saysWhatItIs() {
    try (Device device = Device.cpu(CpuOptions.builder().threads(2).build())) {
      assertThat(device.kind()).isEqualTo(Device.Kind.CPU);
      assertThat(device.threads()).isEqualTo(2);
      assertThat(device.name()).isNotBlank();
      assertThat(device.owner()).isSameAs(Thread.currentThread());
      assertThat(Probe.gemmSeconds(device, 64)).isPositive();
      assertThat(Probe.readSeconds(device, 1 << 20)).isPositive();
    }
    try (Device device = Device.cpu()) {
      assertThat(device.threads()).isPositive();
    }
  }

  @Test
  void optionsAreChecked() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> CpuOptions.builder().threads(-1))
        .withMessageContaining("threads is -1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> CpuOptions.builder().threads(1025))
        .withMessageContaining("threads");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> CpuOptions.builder().memoryBudget(-5))
        .withMessageContaining("memoryBudget is -5");
    assertThatNullPointerException()
        .isThrownBy(() -> Device.cpu(Absent.<CpuOptions>absent()))
        .withMessageContaining("options");
  }

  @Test
  void whatIsOpenKeepsItOpen() {
    Device device = Device.cpu(CpuOptions.builder().threads(1).build());
    Tensor first = Tensor.allocate(device, DType.FLOAT32, 1);
    Tensor second = Tensor.allocate(device, DType.FLOAT32, 1);
    Group group = Group.self(device);
    assertThatIllegalStateException()
        .isThrownBy(device::close)
        .withMessageContaining("2 tensors and 1 group");
    first.close();
    second.close();
    assertThatIllegalStateException().isThrownBy(device::close).withMessageContaining("1 group");
    group.close();
    device.close();
    device.close();
    assertThatIllegalStateException()
        .isThrownBy(device::bytesInUse)
        .withMessageContaining("closed");
    assertThatIllegalStateException()
        .isThrownBy(() -> Tensor.allocate(device, DType.FLOAT32, 1))
        .withMessageContaining("device");
    assertThatIllegalStateException().isThrownBy(() -> Group.self(device));
  }

  @Test
  void tracingShowsWhereOpenTensorsWereMade() {
    LeakDetector.Mode before = LeakDetector.mode();
    LeakDetector.setMode(LeakDetector.Mode.TRACE);
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 1)) {
      assertThat(tensor.elements()).isEqualTo(1);
      assertThatIllegalStateException()
          .isThrownBy(device::close)
          .satisfies(
              e ->
                  assertThat(e.getSuppressed()[0].getStackTrace())
                      .anyMatch(frame -> frame.getClassName().equals(DeviceTest.class.getName())));
    } finally {
      LeakDetector.setMode(before);
    }
  }

  @Test
  void itsThreadOwnsIt() throws InterruptedException {
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 2);
        Group group = Group.self(device)) {
      assertThatExceptionOfType(WrongThreadException.class)
          .isThrownBy(() -> onAnotherThread(tensor::toFloats))
          .withMessageContaining("tensor belongs to thread")
          .withMessageContaining(Thread.currentThread().getName())
          .withMessageContaining("foreigner");
      for (Runnable use :
          new Runnable[] {
            device::synchronize,
            device::close,
            tensor::close,
            tensor::segment,
            () -> tensor.slice(0, 0, 1),
            group::barrier,
            group::close,
            () -> Group.self(device),
            () -> device.handOver(Thread.currentThread())
          }) {
        assertThatExceptionOfType(WrongThreadException.class)
            .isThrownBy(() -> onAnotherThread(use));
      }
      assertThat(tensor.toFloats()).hasSize(2);
    }
  }

  @Test
  void canBeHandedOver() throws InterruptedException {
    Device device = Device.cpu(CpuOptions.builder().threads(1).build());
    Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 2).copyFrom(new float[] {1, 2});
    AtomicReference<float[]> seen = new AtomicReference<>();
    Thread next =
        new Thread(
            () -> {
              seen.set(tensor.toFloats());
              tensor.close();
              device.close();
            });
    device.handOver(next);
    assertThatExceptionOfType(WrongThreadException.class).isThrownBy(tensor::toFloats);
    next.start();
    next.join();
    assertThat(seen.get()).containsExactly(1, 2);
  }

  /** Rethrows the other thread's exception. */
  private static void onAnotherThread(Runnable use) throws InterruptedException {
    AtomicReference<RuntimeException> failure = new AtomicReference<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                use.run();
              } catch (RuntimeException e) {
                failure.set(e);
              }
            },
            "foreigner");
    thread.start();
    thread.join();
    RuntimeException met = failure.get();
    if (met != null) {
      throw met;
    }
  }
}
