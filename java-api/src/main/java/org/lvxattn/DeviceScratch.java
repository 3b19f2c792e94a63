// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.plan.AttentionSizes;
import org.lvxattn.plan.KernelScratch;
import org.lvxattn.plan.Pass;
import org.lvxattn.plan.VisualSizes;

/** Asks the native side what the kernels of a device need. */
record DeviceScratch(Device device) implements KernelScratch {
  @Override
  public long attention(AttentionSizes sizes, long queries, long keys, Pass pass) {
    return ask(
        pass,
        (forward, backward) ->
            Lvx.lvx_attention_scratch(
                device.handle(),
                sizes.dtype().code(),
                sizes.dtype().bytes() * Byte.SIZE,
                sizes.batch(),
                queries,
                keys,
                sizes.heads(),
                sizes.keyValueHeads(),
                sizes.headDim(),
                forward,
                backward));
  }

  @Override
  public long projection(VisualSizes sizes, long rows, Pass pass) {
    return ask(
        pass,
        (forward, backward) ->
            Lvx.lvx_projection_scratch(
                device.handle(),
                sizes.dtype().code(),
                sizes.dtype().bytes() * Byte.SIZE,
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
    device.requireUsable("device");
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
