// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.GroupException;
import org.lvxattn.GroupInterruptedException;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_attention_options;
import org.lvxattn.bindings.generated.lvx_group_info;
import org.lvxattn.bindings.generated.lvx_record;
import org.lvxattn.bindings.generated.lvx_statistics;
import org.lvxattn.internal.ThreadNames;
import org.lvxattn.internal.collective.Collective;
import org.lvxattn.internal.collective.NativeCall;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.handle.Handles;
import org.lvxattn.internal.memory.Reachability;

/** The native side of one rank's {@link Group}: its collective calls, and those it declines. */
final class NativeGroup implements Collective {
  private final Device device;
  private final GroupResource resource;
  private final MemorySegment callOptions;
  private final MemorySegment statistics;
  private final int rank;
  private final int size;
  private final boolean timesItsThread;

  /** Null if there is no rank to wait for. */
  private final @Nullable InterruptibleCall interruptible;

  private volatile boolean closed;

  /**
   * The native side of a rank that has joined.
   *
   * @param timesItsThread whether the processor time of the rank's thread is its clock
   */
  NativeGroup(Device device, long handle, boolean timesItsThread) {
    this.device = device;
    this.timesItsThread = timesItsThread;
    this.resource = new GroupResource(Handles.resource(device), handle);
    this.callOptions = resource.slot().asSlice(0, lvx_attention_options.sizeof());
    this.statistics =
        resource.slot().asSlice(lvx_attention_options.sizeof(), lvx_statistics.sizeof());
    lvx_attention_options.struct_size(callOptions, lvx_attention_options.sizeof());
    lvx_statistics.struct_size(statistics, lvx_statistics.sizeof());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = query(arena);
      rank = lvx_group_info.rank(info);
      size = lvx_group_info.size(info);
    }
    interruptible = size > 1 ? resource.interruptibleCall() : null;
    resource.watch(this);
  }

  int rank() {
    return rank;
  }

  int size() {
    return size;
  }

  @Override
  public void requireUsable() {
    Handles.requireUsable(device, "group");
    requireOpen();
  }

  /** For any thread. */
  void requireOpen() {
    if (closed) {
      throw new IllegalStateException("group: it was closed; an open one was expected");
    }
  }

  boolean isOpen() {
    return !closed;
  }

  @Override
  public long handle() {
    return resource.handle;
  }

  @Override
  public MemorySegment options(double scale, int strategy) {
    lvx_attention_options.scale(callOptions, scale);
    lvx_attention_options.strategy(callOptions, strategy);
    return callOptions;
  }

  @Override
  public MemorySegment statistics() {
    return statistics;
  }

  @Override
  public <T extends @Nullable Object> T prepare(int operation, Supplier<T> preparation) {
    try {
      return preparation.get();
    } catch (RuntimeException e) {
      throw decline(operation, e);
    } catch (Error e) {
      throw decline(operation, e);
    }
  }

  @Override
  public void call(int operation, NativeCall call) {
    if (interruptible == null || !Thread.currentThread().isVirtual()) {
      callHere(operation, call);
      return;
    }
    requireUsable();
    if (timesItsThread) {
      throw decline(
          operation,
          new IllegalStateException(
              "group: the processor time of the rank's thread is its clock, which virtual threads"
                  + " such as "
                  + ThreadNames.of(Thread.currentThread())
                  + " do not have; a platform thread was expected"));
    }
    PlatformThreads.run(
        interruptible,
        () -> {
          Handles.ownership(device).delegate(() -> callHere(operation, call));
          return null;
        });
  }

  private void callHere(int operation, NativeCall call) {
    OperationEvent event;
    int status;
    try {
      event = FlightEvents.begin(this);
      status = invoke(call);
    } catch (RuntimeException e) { // native code never throws: the call was not made
      throw decline(operation, e);
    } catch (Error e) {
      throw decline(operation, e);
    }
    FlightEvents.end(event, this);
    NativeCalls.check(status);
    Reachability.keep(this);
  }

  private int invoke(NativeCall call) {
    if (interruptible == null) {
      return call.invoke();
    }
    interruptible.begin();
    try {
      return call.invoke();
    } finally {
      interruptible.end();
    }
  }

  @Override
  public <E extends Throwable> E decline(int operation, E mistake) {
    if (mistake instanceof GroupException || mistake instanceof GroupInterruptedException) {
      return mistake; // the peers know it already
    }
    try (Arena arena = Arena.ofConfined()) {
      requireUsable();
      MemorySegment reason = arena.allocateFrom(String.valueOf(mistake.getMessage()));
      OperationEvent event = FlightEvents.begin(this);
      int status = Lvx.lvx_group_decline(resource.handle, operation, reason);
      FlightEvents.end(event, this);
      NativeCalls.check(status);
      Reachability.keep(this);
    } catch (RuntimeException | Error e) {
      mistake.addSuppressed(e);
    }
    return mistake;
  }

  /** The struct lvx_group_info, filled. */
  MemorySegment query(Arena arena) {
    MemorySegment info = lvx_group_info.allocate(arena);
    lvx_group_info.struct_size(info, lvx_group_info.sizeof());
    NativeCalls.check(Lvx.lvx_group_query(resource.handle, info));
    Reachability.keep(this);
    return info;
  }

  /** The latest operations, oldest first. */
  List<FlightRecord> records() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_group_records(resource.handle, MemorySegment.NULL, 0, count));
      long capacity = count.get(ValueLayout.JAVA_LONG, 0);
      MemorySegment records = lvx_record.allocateArray(Math.max(capacity, 1), arena);
      NativeCalls.check(Lvx.lvx_group_records(resource.handle, records, capacity, count));
      Reachability.keep(this);
      // Operations may have begun meanwhile: the latest that fit were copied.
      long copied = Math.min(capacity, count.get(ValueLayout.JAVA_LONG, 0));
      List<FlightRecord> result = new ArrayList<>();
      for (long i = 0; i < copied; i++) {
        result.add(FlightRecord.read(lvx_record.asSlice(records, i)));
      }
      return List.copyOf(result);
    }
  }

  /** The latest of {@link #records}; null if there is none. */
  @Nullable FlightRecord newestRecord() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
      MemorySegment record = lvx_record.allocate(arena);
      NativeCalls.check(Lvx.lvx_group_records(resource.handle, record, 1, count));
      Reachability.keep(this);
      return count.get(ValueLayout.JAVA_LONG, 0) == 0 ? null : FlightRecord.read(record);
    }
  }

  void close() {
    // Leaving a group may wait briefly for the others to leave, too.
    if (interruptible == null) {
      resource.close();
    } else {
      PlatformThreads.run(
          null,
          () -> {
            resource.close();
            return null;
          });
    }
    closed = true;
  }
}
