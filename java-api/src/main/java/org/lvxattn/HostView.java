// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Preconditions;

/**
 * A view of a tensor that Java can read and write. It is the tensor's own memory if that is host
 * memory, otherwise a copy, which {@link #commit} writes back. Only the thread that owns the
 * tensor's device may use it.
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
    long bytes = tensor.layout().extentBytes();
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
   * Opens a read-only view.
   *
   * @throws NullPointerException if tensor is null
   * @throws IllegalStateException if it was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static HostView reading(Tensor tensor) {
    Preconditions.present(tensor, "tensor").requireUsable("tensor");
    return new HostView(tensor, false, true);
  }

  /**
   * Opens a view for reading and writing.
   *
   * @throws NullPointerException if tensor is null
   * @throws UnsupportedOperationException if the tensor is read-only
   * @throws IllegalStateException if it was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static HostView updating(Tensor tensor) {
    Preconditions.present(tensor, "tensor").requireWritable();
    return new HostView(tensor, true, true);
  }

  /**
   * Opens a view for writing every element. Elements that are not written are undefined.
   *
   * @throws NullPointerException if tensor is null
   * @throws UnsupportedOperationException if the tensor is read-only
   * @throws IllegalStateException if it was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public static HostView writing(Tensor tensor) {
    Preconditions.present(tensor, "tensor").requireWritable();
    // Memory between the elements belongs to other tensors and must not change.
    return new HostView(tensor, true, tensor.hasGaps());
  }

  /** Memory from the first element on, with the tensor's strides; valid until this is closed. */
  public MemorySegment segment() {
    return segment;
  }

  /**
   * Writes the elements back to the tensor. On a CPU it does nothing.
   *
   * @throws UnsupportedOperationException if this view is read-only
   * @throws IllegalStateException if the tensor was closed
   */
  public void commit() {
    if (!writable) {
      throw new UnsupportedOperationException("the view is read-only");
    }
    if (copy != null) {
      tensor.requireUsable("tensor");
      tensor.copyBytes(segment, tensor.data(), segment.byteSize());
    }
  }

  /** Closes the view. A copy's uncommitted changes are lost. */
  @Override
  public void close() {
    if (copy != null) {
      copy.close();
    }
  }
}
