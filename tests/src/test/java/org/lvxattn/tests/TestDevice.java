// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import java.util.function.IntFunction;
import org.lvxattn.Device;
import org.lvxattn.oracle.DeviceChoice;

/**
 * The tests' device: the system property {@code lvxattn.test.device}, in the syntax of {@code
 * --device}.
 */
final class TestDevice {
  static final DeviceChoice CHOICE =
      DeviceChoice.parse(System.getProperty("lvxattn.test.device", "cpu"));

  private TestDevice() {}

  static Device open() {
    return CHOICE.open(1);
  }

  static IntFunction<Device> forRanks(int ranks) {
    return CHOICE.forRanks(ranks);
  }

  /** Whether the GPU is simulated; the simulator has three GPUs. */
  static boolean isSimulated() {
    if (CHOICE.isCpu()) {
      return false;
    }
    try (Device device = open()) {
      return device.name().equals("simulated GPU");
    }
  }
}
