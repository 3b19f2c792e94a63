// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The elements of a tensor where Java can read and write them: the tensor's own memory where that
 * is the host's, otherwise a copy of it, which {@link #commit} brings back. Made and used by the
 * thread that owns the tensor's device.
 *
 * <pre>{@code
 * try (HostView view = HostView.updating(tensor)) {
 *   view.segment().set(ValueLayout.JAVA_FLOAT, 0, 1);
 *   view.commit();
 * }
 * }</pre>
 */
public final class HostView implements AutoCloseable {
  private final Tensor tensor;
  private final MemorySegment segment;
  private final @Nullable Arena copy;
  private final boolean writable;

  private HostView(Tensor tensor, boolean writable, boolean current) {
    this.tensor = tensor;
    this.writable = writable;
    if (tensor.device().hasHostMemory()) {
      copy = null;
      MemorySegment own = tensor.segment();
      segment = writable ? own : own.asReadOnly();
      return;
    }
    long bytes = Shapes.extentBytes(tensor.shape(), tensor.strides(), tensor.dtype());
    copy = Arena.ofConfined();
    try {
      MemorySegment memory = copy.allocate(bytes, 64);
      if (current) {
        tensor.copyBytes(tensor.data(), memory, bytes);
      }
      segment = writable ? memory : memory.asReadOnly();
    } catch (RuntimeException e) {
      copy.close();
      throw e;
    }
  }

  /**
   * For reading alone.
   *
   * @throws NullPointerException if tensor is null
   * @throws IllegalStateException if it was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static HostView reading(Tensor tensor) {
    Arguments.present(tensor, "tensor").requireUsable("tensor");
    return new HostView(tensor, false, true);
  }

  /**
   * For reading and writing.
   *
   * @throws NullPointerException if tensor is null
   * @throws UnsupportedOperationException if the tensor is read-only
   * @throws IllegalStateException if it was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static HostView updating(Tensor tensor) {
    Arguments.present(tensor, "tensor").requireWritable();
    return new HostView(tensor, true, true);
  }

  /**
   * For writing every element; what is not written is undefined.
   *
   * @throws NullPointerException if tensor is null
   * @throws UnsupportedOperationException if the tensor is read-only
   * @throws IllegalStateException if it was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static HostView writing(Tensor tensor) {
    Arguments.present(tensor, "tensor").requireWritable();
    // What lies between the elements is not the tensor's, and must stay as it is.
    return new HostView(tensor, true, tensor.hasGaps());
  }

  /** From the first element on, by the tensor's strides; until this is closed. */
  public MemorySegment segment() {
    return segment;
  }

  /**
   * What was written becomes the tensor's; on a CPU it is already.
   *
   * @throws UnsupportedOperationException if this is for reading alone
   * @throws IllegalStateException if the tensor was closed
   */
  public void commit() {
    if (!writable) {
      throw new UnsupportedOperationException("the view is for reading alone");
    }
    if (copy != null) {
      tensor.requireUsable("tensor");
      tensor.copyBytes(segment, tensor.data(), segment.byteSize());
    }
  }

  /** Gives up what was not committed. */
  @Override
  public void close() {
    if (copy != null) {
      copy.close();
    }
  }
}
