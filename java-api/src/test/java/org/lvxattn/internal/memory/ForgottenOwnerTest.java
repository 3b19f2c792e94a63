// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.TensorResource.Origin;

/**
 * A forgotten tensor of foreign memory on a device that works on after calls returned: the owner is
 * released when the device has been waited for.
 */
@Timeout(120)
class ForgottenOwnerTest {
  private final AtomicInteger released = new AtomicInteger();

  private static DeviceResource device() {
    NativeCalls.load();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_device_open_cpu(MemorySegment.NULL, handle));
      return new DeviceResource(handle.get(ValueLayout.JAVA_LONG, 0));
    }
  }

  private void forget(DeviceResource device, boolean asynchronous) {
    Storage storage = Storage.owned(released::incrementAndGet, () -> true);
    TensorResource resource = new TensorResource(device, Origin.OWNED, storage, asynchronous);
    resource.watch(new Object());
  }

  private static void awaitLeak(long before) throws InterruptedException {
    while (Leaks.found() == before) {
      System.gc();
      Thread.sleep(5);
    }
  }

  @Test
  void onACpuItIsReleasedAtOnce() throws InterruptedException {
    DeviceResource device = device();
    long before = Leaks.found();
    forget(device, false);
    awaitLeak(before);
    assertThat(released).hasValue(1);
    device.release();
  }

  @Test
  void onAGpuItIsReleasedAfterTheWork() throws InterruptedException {
    DeviceResource device = device();
    long before = Leaks.found();
    forget(device, true);
    awaitLeak(before);
    assertThat(released).hasValue(0);
    device.workIsDone();
    assertThat(released).hasValue(1);
    forget(device, true);
    awaitLeak(before + 1);
    assertThat(released).hasValue(1);
    device.release();
    assertThat(released).hasValue(2);
    device.workIsDone();
    assertThat(released).hasValue(2);
  }
}
