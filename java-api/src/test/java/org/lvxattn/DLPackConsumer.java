// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import org.lvxattn.bindings.FunctionPointers;
import org.lvxattn.bindings.Pointers;

/** Plays a framework that consumes an exported float32 tensor, with the offsets of dlpack.h. */
final class DLPackConsumer {
  private final MemorySegment managed;
  private final MemorySegment tensor;
  private final MemorySegment deleter;

  DLPackConsumer(MemorySegment managed, boolean versioned) {
    this.managed = MemorySegment.ofAddress(managed.address());
    MemorySegment struct = Pointers.sized(this.managed, versioned ? 80 : 64);
    this.tensor = struct.asSlice(versioned ? ForeignArray.VERSIONED_TENSOR : 0, 48);
    this.deleter =
        struct.get(
            ValueLayout.ADDRESS,
            versioned ? ForeignArray.VERSIONED_DELETER : ForeignArray.UNVERSIONED_DELETER);
  }

  MemorySegment data() {
    return tensor.get(ValueLayout.ADDRESS, 0);
  }

  int deviceType() {
    return tensor.get(ValueLayout.JAVA_INT, 8);
  }

  long[] shape() {
    return longs(24);
  }

  long[] strides() {
    return longs(32);
  }

  String dtype() {
    return tensor.get(ValueLayout.JAVA_BYTE, 20)
        + " "
        + tensor.get(ValueLayout.JAVA_BYTE, 21)
        + " "
        + tensor.get(ValueLayout.JAVA_SHORT, 22);
  }

  long byteOffset() {
    return tensor.get(ValueLayout.JAVA_LONG, 40);
  }

  private long[] longs(int offset) {
    int rank = tensor.get(ValueLayout.JAVA_INT, 16);
    return Pointers.sized(tensor.get(ValueLayout.ADDRESS, offset), 8L * rank)
        .toArray(ValueLayout.JAVA_LONG);
  }

  /** The float at an index of each dimension. */
  float at(long... index) {
    long element = 0;
    long[] strides = strides();
    for (int i = 0; i < index.length; i++) {
      element += index[i] * strides[i];
    }
    return Pointers.sized(data(), 4 * element + 4).get(ValueLayout.JAVA_FLOAT, 4 * element);
  }

  /** Calls the deleter; native code does, on this thread. */
  void delete() {
    FunctionPointers.call(deleter, managed);
  }

  /** Calls the deleter on a thread that the JVM does not know. */
  void deleteOnNativeThread() throws Throwable {
    Linker linker = Linker.nativeLinker();
    MethodHandle create =
        linker.downcallHandle(
            linker.defaultLookup().findOrThrow("pthread_create"),
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS));
    MethodHandle join =
        linker.downcallHandle(
            linker.defaultLookup().findOrThrow("pthread_join"),
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.ADDRESS));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment thread = arena.allocate(ValueLayout.JAVA_LONG);
      // The result, which a deleter has not, is not read.
      int created = (int) create.invokeExact(thread, MemorySegment.NULL, deleter, managed);
      if (created != 0) {
        throw new AssertionError("pthread_create returned " + created);
      }
      int joined = (int) join.invokeExact(thread.get(ValueLayout.JAVA_LONG, 0), MemorySegment.NULL);
      if (joined != 0) {
        throw new AssertionError("pthread_join returned " + joined);
      }
    }
  }
}
