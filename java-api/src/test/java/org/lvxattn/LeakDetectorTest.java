// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.group.Group;
import org.lvxattn.group.LocalWorld;

@Timeout(300)
class LeakDetectorTest {
  private final Logger logger = Logger.getLogger(LeakDetector.class.getName());
  private final List<LogRecord> reports = Collections.synchronizedList(new ArrayList<>());
  private final LeakDetector.Mode before = LeakDetector.mode();

  private final Handler handler =
      new Handler() {
        @Override
        public void publish(LogRecord report) {
          reports.add(report);
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
      };

  @BeforeEach
  void listen() {
    logger.setUseParentHandlers(false);
    logger.addHandler(handler);
  }

  @AfterEach
  void stop() {
    logger.removeHandler(handler);
    logger.setUseParentHandlers(true);
    LeakDetector.setMode(before);
  }

  @Test
  void aForgottenTensorIsFreedAndReportedWithItsOrigin() throws InterruptedException {
    LeakDetector.setMode(LeakDetector.Mode.TRACE);
    long leaks = LeakDetector.leaks();
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build())) {
      forgetTensor(device);
      await(() -> LeakDetector.leaks() > leaks);
      assertThat(device.bytesInUse()).isZero();
    }
    assertThat(LeakDetector.leaks() - leaks).isEqualTo(1);
    assertThat(reports).hasSize(1);
    assertThat(reports.getFirst().getMessage())
        .contains("a tensor of FLOAT32 [1000] was never closed; it was made here (place ");
    assertThat(reports.getFirst().getThrown().getStackTrace())
        .anyMatch(frame -> frame.getMethodName().equals("forgetTensor"));
  }

  @Test
  void aPlaceIsLoggedOnce() throws InterruptedException {
    LeakDetector.setMode(LeakDetector.Mode.TRACE);
    long leaks = LeakDetector.leaks();
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build())) {
      for (int i = 0; i < 3; i++) {
        forgetTensor(device);
      }
      await(() -> LeakDetector.leaks() - leaks == 3);
    }
    assertThat(reports).extracting(LogRecord::getThrown).filteredOn(Objects::nonNull).hasSize(1);
    String first = reports.getFirst().getMessage();
    String place = first.substring(first.indexOf("(place ") + 1, first.indexOf("):"));
    assertThat(reports.subList(1, 3))
        .extracting(LogRecord::getMessage)
        .containsOnly(
            "a tensor of FLOAT32 [1000] was never closed; it was made at " + place + ", see above");
  }

  @Test
  void aForgottenDeviceGoesAfterEverythingOnIt() throws InterruptedException {
    LeakDetector.setMode(LeakDetector.Mode.COUNT);
    long leaks = LeakDetector.leaks();
    forgetEverything();
    await(() -> LeakDetector.leaks() - leaks >= 4);
    assertThat(reports)
        .extracting(LogRecord::getMessage)
        .noneMatch(message -> message.contains("cannot give back"))
        .anyMatch(message -> message.contains("device"))
        .anyMatch(message -> message.contains("tensor"))
        .anyMatch(message -> message.contains("group"))
        .anyMatch(message -> message.contains("world"))
        .allMatch(message -> message.contains(LeakDetector.PROPERTY));
  }

  @Test
  void viewsMayBeForgotten() throws InterruptedException {
    LeakDetector.setMode(LeakDetector.Mode.COUNT);
    long leaks = LeakDetector.leaks();
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 2, 3)) {
      for (int i = 0; i < 100; i++) {
        assertThat(tensor.permute(1, 0).slice(0, 1, 3).elements()).isEqualTo(4);
      }
      forgetTensor(device);
      await(() -> LeakDetector.leaks() > leaks);
    }
    assertThat(LeakDetector.leaks() - leaks).isEqualTo(1);
  }

  @Test
  void offIsQuiet() throws InterruptedException {
    LeakDetector.setMode(LeakDetector.Mode.OFF);
    long leaks = LeakDetector.leaks();
    Device device = Device.cpu(CpuOptions.builder().threads(1).build());
    forgetTensor(device);
    await(() -> closes(device));
    assertThat(LeakDetector.leaks()).isEqualTo(leaks);
    assertThat(reports).isEmpty();
  }

  private static void await(BooleanSupplier condition) throws InterruptedException {
    while (!condition.getAsBoolean()) {
      System.gc();
      Thread.sleep(5);
    }
  }

  /** A device cannot be closed while one of its tensors is open. */
  private static boolean closes(Device device) {
    try {
      device.close();
      return true;
    } catch (IllegalStateException e) {
      return false;
    }
  }

  private static void forgetTensor(Device device) {
    Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 1000);
    assertThat(device.bytesInUse()).isGreaterThanOrEqualTo(4000);
    assertThat(tensor.toFloats()).hasSize(1000);
  }

  private static void forgetEverything() {
    Device device = Device.cpu(CpuOptions.builder().threads(1).build());
    Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 1000);
    Group group = LocalWorld.of(2).join(0, device);
    assertThat(group.size()).isEqualTo(2);
    assertThat(tensor.elements()).isEqualTo(1000);
  }
}
