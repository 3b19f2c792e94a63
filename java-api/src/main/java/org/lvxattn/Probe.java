// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.Reachability;

/** Measures rates of this machine, as yardsticks for kernels. */
public final class Probe {
  private static final long MAX_SIZE = 16384;

  private Probe() {}

  /**
   * Times one float32 matrix product of the BLAS, 2 n<sup>3</sup> operations, on all threads of the
   * device.
   *
   * @param device the device to measure
   * @param n rows and columns, 1 to 16384
   * @return seconds
   * @throws NullPointerException if device is null
   * @throws IllegalArgumentException if n is out of range
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public static double gemmSeconds(Device device, long n) {
    Preconditions.present(device, "device").requireUsable("device");
    Preconditions.require(
        n >= 1 && n <= MAX_SIZE, "n is " + n + "; 1 to " + MAX_SIZE + " was expected");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment seconds = arena.allocate(ValueLayout.JAVA_DOUBLE);
      NativeCalls.check(Lvx.lvx_probe_gemm(device.handle(), n, seconds));
      Reachability.keep(device);
      return seconds.get(ValueLayout.JAVA_DOUBLE, 0);
    }
  }

  /**
   * Times one read of memory by all threads of the device.
   *
   * @param device the device to measure
   * @param bytes how many bytes to read, at least 1
   * @return seconds
   * @throws NullPointerException if device is null
   * @throws IllegalArgumentException if bytes is not positive
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public static double readSeconds(Device device, long bytes) {
    Preconditions.present(device, "device").requireUsable("device");
    Preconditions.require(bytes >= 1, "bytes is " + bytes + "; 1 or more was expected");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment seconds = arena.allocate(ValueLayout.JAVA_DOUBLE);
      NativeCalls.check(Lvx.lvx_probe_read(device.handle(), bytes, seconds));
      Reachability.keep(device);
      return seconds.get(ValueLayout.JAVA_DOUBLE, 0);
    }
  }
}
