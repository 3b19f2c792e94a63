// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.lvxattn.group.Group;

/**
 * Creates and closes all kinds of objects many times; prints by how many bytes the process has
 * grown.
 */
final class FootprintMain {
  private static final long PAGE = 4096;
  private static final int WARM_UP = 2_000;
  private static final long ELEMENTS = 16_384;

  private FootprintMain() {}

  public static void main(String[] arguments) throws IOException {
    int cycles = Integer.parseInt(arguments[0]);
    cycle(WARM_UP);
    long before = residentBytes();
    cycle(cycles);
    System.out.println(residentBytes() - before);
  }

  private static void cycle(int times) {
    for (int i = 0; i < times; i++) {
      try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
          Tensor tensor = Tensor.allocate(device, DType.FLOAT32, ELEMENTS);
          Tensor view = tensor.slice(0, 0, ELEMENTS / 2);
          Group group = Group.self(device)) {
        view.segment().fill((byte) 1);
        group.barrier();
        if (device.bytesInUse() < ELEMENTS * Float.BYTES) {
          throw new AssertionError("the device holds " + device.bytesInUse() + " bytes");
        }
      }
      try (Device device = Device.cpu(CpuOptions.builder().threads(1).build())) {
        if (device.bytesInUse() != 0) {
          throw new AssertionError("a new device holds " + device.bytesInUse() + " bytes");
        }
      }
    }
  }

  private static long residentBytes() throws IOException {
    return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ", 3)[1]) * PAGE;
  }
}
