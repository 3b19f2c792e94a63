// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.lvxattn.bindings.generated.lvx_dl_device;
import org.lvxattn.bindings.generated.lvx_dl_dtype;
import org.lvxattn.bindings.generated.lvx_tensor;

/** Writes DLPack descriptors: the struct, followed by its extents and strides. */
public final class Descriptors {
  private Descriptors() {}

  /** Fills a slot and returns it. */
  public static MemorySegment fill(
      MemorySegment slot, int deviceType, int ordinal, MemorySegment data, Layout layout) {
    long[] shape = layout.shape();
    long[] strides = layout.strides();
    long struct = lvx_tensor.sizeof();
    MemorySegment extents = slot.asSlice(struct, Long.BYTES * (long) shape.length);
    MemorySegment distances =
        slot.asSlice(struct + extents.byteSize(), Long.BYTES * (long) strides.length);
    MemorySegment.copy(shape, 0, extents, ValueLayout.JAVA_LONG, 0, shape.length);
    MemorySegment.copy(strides, 0, distances, ValueLayout.JAVA_LONG, 0, strides.length);
    lvx_tensor.data(slot, data);
    lvx_dl_device.device_type(lvx_tensor.device(slot), deviceType);
    lvx_dl_device.device_id(lvx_tensor.device(slot), ordinal);
    lvx_tensor.ndim(slot, shape.length);
    MemorySegment type = lvx_tensor.dtype(slot);
    lvx_dl_dtype.code(type, (byte) layout.type().code());
    lvx_dl_dtype.bits(type, (byte) layout.type().bits());
    lvx_dl_dtype.lanes(type, (short) 1);
    lvx_tensor.shape(slot, extents);
    lvx_tensor.strides(slot, distances);
    return slot;
  }
}
