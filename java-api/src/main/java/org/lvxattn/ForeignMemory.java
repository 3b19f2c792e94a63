// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.Pointers;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.dlpack.Export;
import org.lvxattn.internal.dlpack.ManagedStruct;
import org.lvxattn.internal.dlpack.ManagedTensor;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.Layout;
import org.lvxattn.internal.memory.Reachability;
import org.lvxattn.internal.memory.Storage;
import org.lvxattn.internal.memory.TensorResource;

/** Tensors over memory that others allocated, and tensors lent to others. */
final class ForeignMemory {
  private ForeignMemory() {}

  /** The memory of a wrapped segment or buffer, and how messages name it. */
  private record Memory(MemorySegment segment, String name, boolean isBuffer) {}

  static Tensor wrap(
      Device device,
      MemorySegment segment,
      DType dtype,
      long[] shape,
      long @Nullable [] strides,
      @Nullable MemoryOwner owner) {
    Preconditions.present(device, "device").requireUsable("device");
    Preconditions.present(segment, "segment");
    Preconditions.present(dtype, "dtype");
    if (!segment.isNative()) {
      throw new IllegalArgumentException(
          "segment lies on the Java heap; native memory was expected, for instance of an Arena");
    }
    Memory memory = new Memory(segment, "segment", false);
    return wrap(device, memory, Layout.strided(dtype.element(), shape, strides), owner);
  }

  static Tensor wrap(
      Device device,
      ByteBuffer buffer,
      DType dtype,
      long[] shape,
      long @Nullable [] strides,
      @Nullable MemoryOwner owner) {
    Preconditions.present(device, "device").requireUsable("device");
    Preconditions.present(buffer, "buffer");
    Preconditions.present(dtype, "dtype");
    if (!buffer.isDirect()) {
      throw new IllegalArgumentException(
          "buffer lies on the Java heap; a direct one was expected, for instance of"
              + " ByteBuffer.allocateDirect");
    }
    Memory memory = new Memory(MemorySegment.ofBuffer(buffer), "buffer", true);
    return wrap(device, memory, Layout.strided(dtype.element(), shape, strides), owner);
  }

  private static Tensor wrap(
      Device device, Memory memory, Layout layout, @Nullable MemoryOwner owner) {
    MemorySegment segment = memory.segment();
    Tensor.requireAccessible(segment, memory.name());
    long bytes = layout.extentBytes();
    boolean external = !device.hasHostMemory();
    if (external && bytes > 0) {
      requireMemoryOf(device, segment, memory.name());
    }
    // A zero-length segment of GPU memory has no size to check.
    if (segment.byteSize() < bytes && !(external && segment.byteSize() == 0)) {
      throw tooSmall(memory, bytes, layout);
    }
    if (segment.address() % layout.type().bytes() != 0) {
      throw new IllegalArgumentException(
          memory.name()
              + " is not aligned; an address that is a multiple of "
              + layout.type().bytes()
              + " was expected for "
              + layout.type());
    }
    if (owner == null) {
      return tensor(device, layout, segment, Storage.borrowed(), false);
    }
    Runnable release =
        () -> {
          owner.release();
          // Until here, a buffer or an automatic arena is reachable, even if the tensor is not.
          Reachability.keep(segment);
        };
    return tensor(
        device,
        layout,
        segment,
        Storage.owned(release, owner::isOpen),
        memory.isBuffer() || segment.scope().equals(MemorySegment.NULL.scope()));
  }

  private static IllegalArgumentException tooSmall(Memory memory, long bytes, Layout layout) {
    return new IllegalArgumentException(
        memory.name()
            + " has "
            + memory.segment().byteSize()
            + " bytes; at least "
            + bytes
            + " were expected for shape "
            + Arrays.toString(layout.shape())
            + " and strides "
            + Arrays.toString(layout.strides())
            + " of "
            + layout.type()
            + (memory.isBuffer() && bytes > Integer.MAX_VALUE
                ? ", which is more than a ByteBuffer can hold: wrap a MemorySegment, or import the"
                    + " array by Tensor.fromDLPack"
                : ""));
  }

  private static void requireMemoryOf(Device device, MemorySegment segment, String name) {
    try {
      NativeCalls.check(Lvx.lvx_device_check_address(device.handle(), segment));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          name
              + ": "
              + e.getMessage()
              + "; Device.cuda computes with memory of its GPU alone: allocate a tensor there and"
              + " copy into it by copyFrom",
          e);
    }
    Reachability.keep(device);
  }

  /**
   * @param endsWithTensor whether segments of the tensor that callers got become inaccessible when
   *     it is closed; otherwise they live as long as the segment
   */
  private static Tensor tensor(
      Device device,
      Layout layout,
      MemorySegment segment,
      Storage storage,
      boolean endsWithTensor) {
    return new Tensor(
        device,
        DType.of(layout.type()),
        layout,
        segment,
        endsWithTensor ? TensorResource.Origin.OWNED : TensorResource.Origin.WRAPPED,
        null,
        storage);
  }

  static Tensor fromDLPack(Device device, MemorySegment managed, ManagedStruct struct) {
    Preconditions.present(device, "device").requireUsable("device");
    Preconditions.present(managed, "managed");
    Tensor.requireAccessible(managed, "managed");
    ManagedTensor given = new ManagedTensor(struct, managed);
    requireOn(device, given);
    Layout layout = given.layout();
    MemorySegment data = MemorySegment.ofAddress(given.address());
    if (layout.elements() > 0) {
      if (device.hasHostMemory()) {
        data = Pointers.sized(data, layout.extentBytes());
      } else {
        requireMemoryOf(device, data, "managed.data");
      }
    }
    return tensor(
        device,
        layout,
        given.isReadOnly() ? data.asReadOnly() : data,
        Storage.owned(given.delete(), () -> true),
        true);
  }

  private static void requireOn(Device device, ManagedTensor given) {
    int type = given.deviceType();
    boolean host = device.hasHostMemory();
    boolean fits =
        host
            ? type == Lvx.LVX_CPU() || type == Lvx.LVX_CUDA_HOST()
            : (type == Lvx.LVX_CUDA() || type == Lvx.LVX_CUDA_MANAGED())
                && (given.deviceId() == device.ordinal() || type == Lvx.LVX_CUDA_MANAGED());
    Preconditions.require(
        fits,
        "managed.device",
        nameOf(type) + " " + given.deviceId() + " (type " + type + ")",
        host
            ? "memory of a CPU (type 1) or page-locked memory of CUDA (type 3), for a tensor of "
                + device
                + ","
            : "memory of CUDA " + device.ordinal() + " (type 2) or managed memory (type 13)");
  }

  private static String nameOf(int deviceType) {
    return switch (deviceType) {
      case 1 -> "CPU";
      case 2 -> "CUDA";
      case 3 -> "CUDA page-locked memory";
      case 10 -> "ROCm";
      case 13 -> "CUDA managed memory";
      default -> "another kind of device,";
    };
  }

  static MemorySegment toDLPack(Tensor tensor, ManagedStruct struct) {
    tensor.requireUsable("tensor");
    Device device = tensor.device();
    Storage storage = tensor.storage();
    if (!storage.isHeld()) {
      throw new IllegalStateException(
          "tensor: it wraps memory without an owner, which could be freed while a consumer uses it;"
              + " Tensor.wrap with a MemoryOwner was expected");
    }
    if (tensor.isReadOnly() && struct == ManagedStruct.UNVERSIONED) {
      throw new UnsupportedOperationException(
          "tensor: it is read-only, which a DLManagedTensor cannot say; toDLPackVersioned was"
              + " expected");
    }
    if (!device.hasHostMemory()) {
      // The consumer may read on any stream.
      device.synchronize();
    }
    MemorySegment managed =
        Export.lend(
            struct,
            device.resource(),
            storage,
            device.kind().code(),
            device.ordinal(),
            tensor.data(),
            tensor.layout());
    Reachability.keep(tensor);
    return managed;
  }
}
