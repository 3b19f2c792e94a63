// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;

/** One tensor of open {@link StoredTensors}. */
public final class StoredTensor {
  private final String name;
  private final StoredType type;
  private final String typeName;
  private final long[] shape;
  private final long elements;
  private final MemorySegment data;

  StoredTensor(SafetensorsHeader.Entry entry, MemorySegment data) {
    this.name = entry.name;
    this.type = entry.type;
    this.typeName = entry.typeName;
    this.shape = entry.shape;
    this.elements = entry.elements;
    this.data = data;
  }

  /** The tensor's name in the file. */
  public String name() {
    return name;
  }

  /**
   * Element type; {@link StoredType#UNKNOWN} for a type that this version does not know. Such a
   * tensor can only be listed.
   */
  public StoredType type() {
    return type;
  }

  /** The name of the element type in the file, even if the type is unknown. */
  public String typeName() {
    return typeName;
  }

  /** A copy of the extents, outermost first; empty for a scalar. */
  public long[] shape() {
    return shape.clone();
  }

  /** Number of elements. */
  public long elements() {
    return elements;
  }

  /**
   * The elements, row-major and little-endian: a read-only view of the mapped file, valid until the
   * file is closed. The format does not align tensors, so read it with unaligned layouts.
   *
   * @throws IllegalArgumentException if the type is not known
   */
  public MemorySegment data() {
    if (type == StoredType.UNKNOWN) {
      throw unserved("a type that is known here");
    }
    return data;
  }

  /**
   * Whether {@link #wrap} can use the mapped memory directly: its address must be a multiple of the
   * element's size. The format does not guarantee that. The usual writers, {@link
   * SafetensorsWriter} included, store larger elements first, so that all their tensors are
   * aligned.
   */
  public boolean isAligned() {
    return data.address() % type.alignment() == 0;
  }

  /**
   * Wraps the mapped memory in a read-only tensor: nothing is copied, and pages are read on first
   * use. It is usable until the file is closed; the caller closes the tensor.
   *
   * @param device a CPU device, which computes with host memory; use {@link #load} for others
   * @throws NullPointerException if device is null
   * @throws IllegalArgumentException if the library does not support the type, there are more than
   *     8 dimensions, or the tensor is not aligned; use {@link #load} for unaligned tensors
   * @throws IllegalStateException if the file or the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor wrap(Device device) {
    return Tensor.wrap(device, data, dtype(), shape, null);
  }

  /**
   * Copies the tensor to a device and converts it to a dtype, rounding to nearest even if that is
   * narrower. The caller closes the copy.
   *
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if the library does not support the type, exactly one of the
   *     types is an integer type, or there are more than 8 dimensions
   * @throws IllegalStateException if the file or the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public Tensor load(Device device, DType dtype) {
    dtype();
    Tensor copy = Tensor.allocate(device, dtype, shape);
    try {
      copyTo(copy);
      return copy;
    } catch (RuntimeException e) {
      copy.close();
      throw e;
    }
  }

  /**
   * Copies the elements into a tensor of the same shape, converting as {@link #load} does.
   *
   * @throws NullPointerException if target is null
   * @throws IllegalArgumentException if the shapes differ, the library does not support the type,
   *     or exactly one of the types is an integer type
   * @throws UnsupportedOperationException if target is read-only
   * @throws IllegalStateException if the file or target was closed
   * @throws WrongThreadException if another thread owns target's device
   */
  public void copyTo(Tensor target) {
    if (!Arrays.equals(target.shape(), shape)) {
      throw new IllegalArgumentException(
          "source has shape "
              + Arrays.toString(shape)
              + "; "
              + Arrays.toString(target.shape())
              + " was expected");
    }
    if (isAligned()) {
      target.copyFrom(data, dtype());
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment aligned = arena.allocate(data.byteSize(), type.bytes());
      target.copyFrom(aligned.copyFrom(data), dtype());
    }
  }

  private DType dtype() {
    return type.dtype().orElseThrow(() -> unserved("F64, F32, BF16, F16 or I32"));
  }

  private IllegalArgumentException unserved(String expected) {
    return new IllegalArgumentException(
        "tensor \"" + name + "\" is of dtype " + typeName + "; " + expected + " was expected");
  }

  @Override
  public String toString() {
    return name + " " + typeName + Arrays.toString(shape);
  }
}
