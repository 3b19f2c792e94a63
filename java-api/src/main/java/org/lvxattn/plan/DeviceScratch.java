// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.lvxattn.Device;
import org.lvxattn.Pass;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.handle.Handles;
import org.lvxattn.internal.memory.Reachability;

/** Asks the native side for the scratch memory of a device's kernels. */
record DeviceScratch(Device device) implements KernelScratch {
  @Override
  public long handle() {
    return Handles.handle(Handles.requireUsable(device, "device"));
  }

  @Override
  public long projection(VisualSizes sizes, long rows, Pass pass) {
    return ask(
        pass,
        (forward, backward) ->
            Lvx.lvx_projection_scratch(
                Handles.handle(device),
                Handles.element(sizes.dtype()).code(),
                Handles.element(sizes.dtype()).bits(),
                sizes.batch() * rows,
                sizes.width(),
                sizes.keyValueHeads(),
                sizes.headDim(),
                forward,
                backward));
  }

  private interface Question {
    int ask(MemorySegment forward, MemorySegment backward);
  }

  private long ask(Pass pass, Question question) {
    Handles.requireUsable(device, "device");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment forward = arena.allocate(ValueLayout.JAVA_LONG);
      MemorySegment backward = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(question.ask(forward, backward));
      Reachability.keep(device);
      long of = forward.get(ValueLayout.JAVA_LONG, 0);
      long back = backward.get(ValueLayout.JAVA_LONG, 0);
      return switch (pass) {
        case FORWARD -> of;
        case BACKWARD -> back;
        case BOTH -> Math.max(of, back);
      };
    }
  }
}
