// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.dlpack;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.lvxattn.bindings.FunctionPointers;
import org.lvxattn.bindings.Pointers;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.memory.ElementType;
import org.lvxattn.internal.memory.Layout;
import org.lvxattn.internal.memory.Shapes;

/**
 * A tensor that a framework lends through one of the structs of DLPack. Reading it takes nothing
 * over: only {@link #delete} does.
 */
public final class ManagedTensor {
  private final ManagedStruct struct;
  private final MemorySegment memory;
  private final int deviceType;
  private final int deviceId;
  private final Layout layout;
  private final long address;

  /**
   * Reads and checks the struct. The pointers in it are trusted.
   *
   * @throws IllegalArgumentException if it describes no tensor that the library can hold
   */
  public ManagedTensor(ManagedStruct struct, MemorySegment managed) {
    this.struct = struct;
    this.memory = memoryOf(struct, managed);
    if (struct == ManagedStruct.VERSIONED) {
      requireVersion();
    }
    this.deviceType = getInt("device", "device_type");
    this.deviceId = getInt("device", "device_id");
    this.layout = readLayout();
    this.address = readAddress();
  }

  private static MemorySegment memoryOf(ManagedStruct struct, MemorySegment managed) {
    String name = struct.structName();
    Preconditions.require(
        managed.isNative(),
        "managed lies on the Java heap; a pointer to a " + name + " was expected");
    Preconditions.require(
        managed.address() != 0, "managed is a null pointer; one to a " + name + " was expected");
    Preconditions.require(
        managed.address() % Long.BYTES == 0,
        "managed is not aligned to 8 bytes; a pointer to a " + name + " was expected");
    long bytes = struct.layout().byteSize();
    Preconditions.require(
        managed.byteSize() == 0 || managed.byteSize() >= bytes,
        "managed has "
            + managed.byteSize()
            + " bytes; the "
            + bytes
            + " of a "
            + name
            + " were expected");
    return managed.byteSize() == 0 ? Pointers.sized(managed, bytes) : managed;
  }

  private void requireVersion() {
    int major = memory.get(ValueLayout.JAVA_INT, struct.offset("version", "major"));
    int minor = memory.get(ValueLayout.JAVA_INT, struct.offset("version", "minor"));
    Preconditions.require(
        major == ManagedStruct.MAJOR,
        "managed",
        "of DLPack " + Integer.toUnsignedString(major) + "." + Integer.toUnsignedString(minor),
        "version " + ManagedStruct.MAJOR + " of a DLManagedTensorVersioned");
  }

  private Layout readLayout() {
    ElementType type = readType();
    int rank = getInt("ndim");
    Preconditions.require(
        rank >= 0 && rank <= Shapes.MAX_RANK, "managed.ndim", rank, "0 to " + Shapes.MAX_RANK);
    long[] shape = new long[rank];
    long[] strides = null;
    if (rank > 0) {
      MemorySegment extents = getPointer("shape");
      Preconditions.require(
          extents.address() != 0,
          "managed.shape is a null pointer; " + rank + " extents were expected");
      shape = longs(extents, rank);
      MemorySegment distances = getPointer("strides");
      if (distances.address() != 0) {
        strides = withoutMeaningless(longs(distances, rank), shape);
      }
    }
    try {
      Layout read = Layout.strided(type, shape, strides);
      read.extentBytes(); // checks for overflow
      return read;
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("managed." + e.getMessage(), e);
    }
  }

  /** Producers may leave any stride in dimensions along which there is nothing to step over. */
  private static long[] withoutMeaningless(long[] strides, long[] shape) {
    boolean empty = Arrays.stream(shape).anyMatch(extent -> extent == 0);
    long compact = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      if (empty || shape[i] == 1) {
        strides[i] = compact;
      }
      compact *= Math.max(shape[i], 1);
    }
    return strides;
  }

  private ElementType readType() {
    int code = Byte.toUnsignedInt(memory.get(ValueLayout.JAVA_BYTE, at("dtype", "code")));
    int bits = Byte.toUnsignedInt(memory.get(ValueLayout.JAVA_BYTE, at("dtype", "bits")));
    int lanes = Short.toUnsignedInt(memory.get(ValueLayout.JAVA_SHORT, at("dtype", "lanes")));
    for (ElementType type : ElementType.values()) {
      if (type.code() == code && type.bits() == bits && lanes == 1) {
        return type;
      }
    }
    throw new IllegalArgumentException(
        "managed.dtype is "
            + typeName(code)
            + bits
            + (lanes == 1 ? "" : " in " + lanes + " lanes")
            + " (code "
            + code
            + "); float64, float32, bfloat16, float16 or int32 was expected");
  }

  private static String typeName(int code) {
    return switch (code) {
      case 0 -> "int";
      case 1 -> "uint";
      case 2 -> "float";
      case 4 -> "bfloat";
      case 5 -> "complex";
      case 6 -> "bool";
      default -> "a type of bits ";
    };
  }

  private long readAddress() {
    long data = getPointer("data").address();
    long offset = memory.get(ValueLayout.JAVA_LONG, at("byte_offset"));
    if (layout.elements() == 0) {
      return 0;
    }
    Preconditions.require(
        data != 0,
        "managed.data is a null pointer; memory was expected for shape "
            + Arrays.toString(layout.shape()));
    long first = data + offset;
    // Unsigned: the memory must not wrap around the end of the address space.
    Preconditions.require(
        Long.compareUnsigned(first, data) >= 0
            && Long.compareUnsigned(first + layout.extentBytes(), first) >= 0,
        "managed.byte_offset",
        Long.toUnsignedString(offset),
        "one that stays inside the address space");
    Preconditions.require(
        first % layout.type().bytes() == 0,
        "managed.data plus byte_offset is not aligned; a multiple of "
            + layout.type().bytes()
            + " was expected for "
            + layout.type());
    return first;
  }

  private static long[] longs(MemorySegment pointer, int count) {
    return Pointers.sized(pointer, (long) count * Long.BYTES)
        .toArray(ValueLayout.JAVA_LONG_UNALIGNED);
  }

  private int getInt(String... path) {
    return memory.get(ValueLayout.JAVA_INT, at(path));
  }

  private MemorySegment getPointer(String field) {
    return memory.get(ValueLayout.ADDRESS, at(field));
  }

  private long at(String... path) {
    return struct.tensorOffset(path);
  }

  /** DLPack's type code of the device. */
  public int deviceType() {
    return deviceType;
  }

  /** Index of the device among those of its type. */
  public int deviceId() {
    return deviceId;
  }

  /** Type, extents and strides. */
  public Layout layout() {
    return layout;
  }

  /** Address of the first element; 0 if there are none. */
  public long address() {
    return address;
  }

  /** Whether the producer forbids writing. */
  public boolean isReadOnly() {
    return struct == ManagedStruct.VERSIONED
        && (memory.get(ValueLayout.JAVA_LONG, struct.offset("flags")) & ManagedStruct.READ_ONLY)
            != 0;
  }

  /**
   * What gives the tensor back to its producer: it calls the deleter, if there is one, and must run
   * once. It no longer needs this object.
   */
  public Runnable delete() {
    long deleter = memory.get(ValueLayout.ADDRESS, struct.offset("deleter")).address();
    // Not the caller's segment, whose arena may be closed by then.
    MemorySegment self = MemorySegment.ofAddress(memory.address());
    MemorySegment function = MemorySegment.ofAddress(deleter);
    return deleter == 0 ? () -> {} : () -> FunctionPointers.call(function, self);
  }
}
