// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** One tensor of an open {@link Safetensors} file. */
public final class StoredTensor {
  private final String name;
  private final StoredType type;
  private final long[] shape;
  private final MemorySegment data;

  StoredTensor(String name, StoredType type, long[] shape, MemorySegment data) {
    this.name = name;
    this.type = type;
    this.shape = shape;
    this.data = data;
  }

  /** Its name in the file. */
  public String name() {
    return name;
  }

  /** Element type. */
  public StoredType type() {
    return type;
  }

  /** Its dimensions, outermost first; empty for a scalar. A copy. */
  public long[] shape() {
    return shape.clone();
  }

  /** Number of elements. */
  public long elements() {
    return data.byteSize() / type.bytes();
  }

  /**
   * The elements, row-major and little-endian: a read-only view of the mapped file, valid until the
   * file is closed. The format does not align tensors, so read it with unaligned layouts.
   */
  public MemorySegment data() {
    return data;
  }

  @Override
  public String toString() {
    return name + " " + type + Arrays.toString(shape);
  }
}
