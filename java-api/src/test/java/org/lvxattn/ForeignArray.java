// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.lvxattn.bindings.FunctionPointers;
import org.lvxattn.bindings.Pointers;

/**
 * Plays another framework: an array that counts references, and lends itself through DLPack. Its
 * memory is unmapped with the last reference, so that a later access ends the JVM.
 */
final class ForeignArray {
  /** Offsets of the fields in DLManagedTensor, as dlpack.h writes them. */
  static final int UNVERSIONED_DELETER = 56;

  /** Offsets of the fields in DLManagedTensorVersioned. */
  static final int VERSIONED_DELETER = 16;

  static final int VERSIONED_FLAGS = 24;
  static final int VERSIONED_TENSOR = 32;

  private static final Map<Long, ForeignArray> LENT = new ConcurrentHashMap<>();
  private static final MemorySegment DELETER = deleter();
  private static final Path FILE = file();

  /** Arrays whose memory is mapped. */
  static final AtomicInteger MAPPED = new AtomicInteger();

  /** Calls of the deleter with a struct that is not lent. */
  static final AtomicInteger WRONG_CALLS = new AtomicInteger();

  final AtomicInteger deleted = new AtomicInteger();
  private final AtomicInteger references = new AtomicInteger(1);
  private final Arena arena = Arena.ofShared();
  final MemorySegment data;

  /** An array of one page. */
  ForeignArray() {
    try (FileChannel channel =
        FileChannel.open(FILE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      data = channel.map(FileChannel.MapMode.PRIVATE, 0, 4096, arena);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    MAPPED.incrementAndGet();
  }

  /** The same memory, whose end nobody checks: as native code and JNI hand it out. */
  MemorySegment unchecked() {
    return Pointers.sized(MemorySegment.ofAddress(data.address()), data.byteSize());
  }

  void retain() {
    references.incrementAndGet();
  }

  void release() {
    if (references.decrementAndGet() == 0) {
      arena.close();
      MAPPED.decrementAndGet();
    }
  }

  boolean isMapped() {
    return arena.scope().isAlive();
  }

  /** Describes a tensor of this array. */
  record Description(
      int deviceType,
      int deviceId,
      int code,
      int bits,
      int lanes,
      long[] shape,
      long[] strides,
      long offset) {

    static Description of(DType dtype, long... shape) {
      int code =
          switch (dtype) {
            case INT32 -> 0;
            case FLOAT64, FLOAT32, FLOAT16 -> 2;
            case BFLOAT16 -> 4;
          };
      return new Description(1, 0, code, 8 * dtype.bytes(), 1, shape, new long[0], 0);
    }

    /** With strides; an empty array stands for a null pointer. */
    Description strided(long... distances) {
      return new Description(deviceType, deviceId, code, bits, lanes, shape, distances, offset);
    }

    Description at(long bytes) {
      return new Description(deviceType, deviceId, code, bits, lanes, shape, strides, bytes);
    }

    Description on(int type, int id) {
      return new Description(type, id, code, bits, lanes, shape, strides, offset);
    }

    Description typed(int newCode, int newBits, int newLanes) {
      return new Description(
          deviceType, deviceId, newCode, newBits, newLanes, shape, strides, offset);
    }
  }

  /** Lends this array as a DLManagedTensor. */
  MemorySegment lend(Description description) {
    MemorySegment struct = Arena.global().allocate(64, 8);
    describe(struct.asSlice(0, 48), description);
    return lent(struct, UNVERSIONED_DELETER);
  }

  /** Lends this array as a DLManagedTensorVersioned. */
  MemorySegment lendVersioned(Description description, int major, long flags) {
    MemorySegment struct = Arena.global().allocate(80, 8);
    struct.set(ValueLayout.JAVA_INT, 0, major);
    struct.set(ValueLayout.JAVA_INT, 4, 1);
    struct.set(ValueLayout.JAVA_LONG, VERSIONED_FLAGS, flags);
    describe(struct.asSlice(VERSIONED_TENSOR, 48), description);
    return lent(struct, VERSIONED_DELETER);
  }

  private MemorySegment lent(MemorySegment struct, int deleter) {
    struct.set(ValueLayout.ADDRESS, deleter, DELETER);
    retain();
    LENT.put(struct.address(), this);
    return MemorySegment.ofAddress(struct.address());
  }

  private void describe(MemorySegment tensor, Description description) {
    tensor.set(ValueLayout.ADDRESS, 0, data);
    tensor.set(ValueLayout.JAVA_INT, 8, description.deviceType);
    tensor.set(ValueLayout.JAVA_INT, 12, description.deviceId);
    tensor.set(ValueLayout.JAVA_INT, 16, description.shape.length);
    tensor.set(ValueLayout.JAVA_BYTE, 20, (byte) description.code);
    tensor.set(ValueLayout.JAVA_BYTE, 21, (byte) description.bits);
    tensor.set(ValueLayout.JAVA_SHORT, 22, (short) description.lanes);
    tensor.set(ValueLayout.ADDRESS, 24, longs(description.shape));
    tensor.set(ValueLayout.ADDRESS, 32, longs(description.strides));
    tensor.set(ValueLayout.JAVA_LONG, 40, description.offset);
  }

  private static MemorySegment longs(long[] values) {
    return values.length == 0
        ? MemorySegment.NULL
        : Arena.global().allocateFrom(ValueLayout.JAVA_LONG, values);
  }

  private static void delete(MemorySegment self) {
    ForeignArray array = LENT.remove(self.address());
    if (array == null) {
      WRONG_CALLS.incrementAndGet();
    } else {
      array.deleted.incrementAndGet();
      array.release();
    }
  }

  private static MemorySegment deleter() {
    try {
      return FunctionPointers.to(
          MethodHandles.lookup()
              .findStatic(
                  ForeignArray.class,
                  "delete",
                  MethodType.methodType(void.class, MemorySegment.class)));
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  private static Path file() {
    try {
      Path file = Files.createTempFile("lvxattn-foreign", ".bin");
      file.toFile().deleteOnExit();
      Files.write(file, new byte[4096]);
      return file;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
