// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Preconditions;

/**
 * Keeps foreign memory valid while a tensor wraps it: the memory of another framework's array, for
 * instance.
 *
 * <p>A tensor that was made by {@link Tensor#wrap(Device, java.lang.foreign.MemorySegment, DType,
 * long[], long[], MemoryOwner)} holds its owner until the tensor was closed, all consumers of its
 * DLPack exports have called the deleter, and the device has done all work with the memory. Then it
 * calls {@link #release} once. Until then, the owner must keep the memory valid, whatever else
 * happens to the array: closing the array first must not free it. How, depends on the framework:
 *
 * <ul>
 *   <li>It counts references: the owner holds one of its own, for instance a second array over the
 *       same memory, and {@link #release} closes that one: {@code MemoryOwner owner =
 *       second::close}.
 *   <li>It frees memory when it closes an array, but says whether the array is open: {@link
 *       #isOpen} asks it. A call after the array was closed then throws an {@link
 *       IllegalStateException}. The array must not be closed <i>during</i> a call.
 *   <li>It frees memory when the array becomes unreachable: {@link #reachable}.
 * </ul>
 *
 * <p>An owner must not refer to the tensor: if that was never closed, it could not be freed either.
 *
 * <pre>{@code
 * Tensor keys = Tensor.wrap(device, buffer, DType.FLOAT32, shape, null, array::close);
 * }</pre>
 *
 * @since 0.2.0
 */
@FunctionalInterface
public interface MemoryOwner {
  /**
   * The memory is no longer used. Called once: by the thread that closes the tensor; by the thread
   * of the consumer that calls the deleter of the last DLPack export, if that is later; or by a
   * thread of the library, if the tensor was never closed. What it throws is thrown by {@link
   * Tensor#close}, which has closed the tensor nevertheless; on other threads it is logged.
   */
  void release();

  /**
   * Whether the memory is still valid. Each call that uses the tensor asks first, on its own
   * thread.
   */
  default boolean isOpen() {
    return true;
  }

  /**
   * An owner that keeps an object reachable until the memory is no longer used, for memory that is
   * freed when the object becomes unreachable. The object must not be closed before.
   *
   * @throws NullPointerException if object is null
   */
  static MemoryOwner reachable(Object object) {
    return new MemoryOwner() {
      private @Nullable Object held = Preconditions.present(object, "object");

      @Override
      @SuppressWarnings(
          "ReachabilityFenceUsage") // the end of the use, not an attempt to prolong it
      public void release() {
        Reference.reachabilityFence(held);
        held = null;
      }
    };
  }
}
