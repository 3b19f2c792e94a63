// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.dlpack;

import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.FunctionPointers;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.Layout;
import org.lvxattn.internal.memory.Leaks;
import org.lvxattn.internal.memory.Resource;
import org.lvxattn.internal.memory.Slots;
import org.lvxattn.internal.memory.Storage;

/**
 * A tensor that was lent to a consumer through DLPack. It keeps the memory and the device open
 * until the consumer calls the deleter, on any thread.
 */
public final class Export extends Resource {
  private static final System.Logger LOGGER = System.getLogger("org.lvxattn.DLPack");

  /** Room for the larger struct with 8 extents and 8 strides. */
  private static final long SLOT_BYTES = 256;

  /** Memory of the structs; never freed, since a late consumer may still read one. */
  private static final Slots SLOTS = new Slots(SLOT_BYTES);

  /** Lent tensors by the address of their struct. */
  private static final Map<Long, Export> LENT = new ConcurrentHashMap<>();

  /** The deleter of all exported structs. */
  private static final MemorySegment DELETER = FunctionPointers.to(deleter());

  private final DeviceResource device;
  private final Storage storage;
  private final MemorySegment slot;
  private @Nullable Throwable failure;

  private Export(DeviceResource device, Storage storage) {
    super("DLPack export");
    this.device = device;
    this.storage = storage;
    this.slot = SLOTS.take();
    storage.retain();
    device.opened(this);
  }

  /**
   * Lends a tensor.
   *
   * @param data its memory from the first element on
   * @return the struct, which its deleter frees
   */
  public static MemorySegment lend(
      ManagedStruct struct,
      DeviceResource device,
      Storage storage,
      int deviceType,
      int ordinal,
      MemorySegment data,
      Layout layout) {
    Export export = new Export(device, storage);
    MemorySegment managed = export.slot.asSlice(0, struct.layout().byteSize());
    managed.set(ValueLayout.ADDRESS, struct.offset("deleter"), DELETER);
    if (struct == ManagedStruct.VERSIONED) {
      managed.set(ValueLayout.JAVA_INT, struct.offset("version", "major"), ManagedStruct.MAJOR);
      managed.set(ValueLayout.JAVA_INT, struct.offset("version", "minor"), ManagedStruct.MINOR);
      managed.set(
          ValueLayout.JAVA_LONG,
          struct.offset("flags"),
          data.isReadOnly() ? ManagedStruct.READ_ONLY : 0);
    }
    export.describe(struct, deviceType, ordinal, data, layout);
    LENT.put(managed.address(), export);
    return managed;
  }

  private void describe(
      ManagedStruct struct, int deviceType, int ordinal, MemorySegment data, Layout layout) {
    int rank = layout.shape().length;
    long bytes = Long.BYTES * (long) rank;
    MemorySegment shape = slot.asSlice(struct.layout().byteSize(), bytes);
    MemorySegment strides = slot.asSlice(struct.layout().byteSize() + bytes, bytes);
    MemorySegment.copy(layout.shape(), 0, shape, ValueLayout.JAVA_LONG, 0, rank);
    MemorySegment.copy(layout.strides(), 0, strides, ValueLayout.JAVA_LONG, 0, rank);
    slot.set(
        ValueLayout.ADDRESS,
        struct.tensorOffset("data"),
        layout.elements() == 0 ? MemorySegment.NULL : data);
    slot.set(ValueLayout.JAVA_INT, struct.tensorOffset("device", "device_type"), deviceType);
    slot.set(ValueLayout.JAVA_INT, struct.tensorOffset("device", "device_id"), ordinal);
    slot.set(ValueLayout.JAVA_INT, struct.tensorOffset("ndim"), rank);
    slot.set(
        ValueLayout.JAVA_BYTE, struct.tensorOffset("dtype", "code"), (byte) layout.type().code());
    slot.set(
        ValueLayout.JAVA_BYTE, struct.tensorOffset("dtype", "bits"), (byte) layout.type().bits());
    slot.set(ValueLayout.JAVA_SHORT, struct.tensorOffset("dtype", "lanes"), (short) 1);
    slot.set(ValueLayout.ADDRESS, struct.tensorOffset("shape"), shape);
    slot.set(ValueLayout.ADDRESS, struct.tensorOffset("strides"), strides);
  }

  private static MethodHandle deleter() {
    try {
      return MethodHandles.lookup()
          .findStatic(
              Export.class, "delete", MethodType.methodType(void.class, MemorySegment.class));
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  /** Called by consumers. Nothing may be thrown from here: the JVM would exit. */
  @SuppressWarnings("unused") // called through DELETER
  private static void delete(MemorySegment self) {
    try {
      Export export = LENT.remove(self.address());
      if (export == null) {
        LOGGER.log(
            Level.WARNING,
            "a DLPack consumer called the deleter of a struct that is not lent; one call for each"
                + " struct was expected");
        return;
      }
      export.close();
      Leaks.ownerFailed(export.failure);
    } catch (Throwable e) {
      logAsFarAsPossible(e);
    }
  }

  private static void logAsFarAsPossible(Throwable failure) {
    try {
      LOGGER.log(Level.WARNING, "cannot free exported memory", failure);
    } catch (Throwable e) {
      // For instance no memory or stack is left to log with.
    }
  }

  @Override
  public void release() {
    failure = storage.release();
    SLOTS.giveBack(slot);
    device.closed(this);
  }
}
