// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import java.util.function.IntFunction;
import org.lvxattn.Device;
import org.lvxattn.cli.workload.DeviceChoice;

/**
 * What tests compute with: the system property {@code lvxattn.test.device}, as {@code --device}.
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

  /** Whether a GPU is simulated, of which there are three that nobody else needs. */
  static boolean isSimulated() {
    if (CHOICE.isCpu()) {
      return false;
    }
    try (Device device = open()) {
      return device.name().equals("simulated GPU");
    }
  }
}
