// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.ArrayDeque;
import java.util.Deque;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;

/**
 * Closes tensors, and results that own tensors, together: the newest first.
 *
 * <pre>{@code
 * try (TensorScope scope = new TensorScope(device)) {
 *   Tensor q = scope.add(Tensor.of(device, DType.FLOAT32, values, 1, 128, 32, 128));
 *   Tensor o = scope.like(q);
 *   ...
 * }
 * }</pre>
 *
 * <p>Only the thread that owns the device may use it.
 */
public final class TensorScope implements AutoCloseable {
  private final Device device;
  private final Deque<AutoCloseable> members = new ArrayDeque<>();

  /**
   * Creates an empty scope.
   *
   * @param device where {@link #allocate} allocates
   * @throws NullPointerException if device is null
   */
  public TensorScope(Device device) {
    this.device = Preconditions.present(device, "device");
  }

  /** Where {@link #allocate} allocates. */
  public Device device() {
    return device;
  }

  /**
   * Adds a resource to be closed with this scope, before those that were added earlier.
   *
   * @param resource a tensor, or a result that owns tensors; its close must throw no checked
   *     exception
   * @return the resource
   * @throws NullPointerException if resource is null
   */
  public <T extends AutoCloseable> T add(T resource) {
    members.push(Preconditions.present(resource, "resource"));
    return resource;
  }

  /** Allocates a tensor of this scope, as {@link Tensor#allocate} does. */
  public Tensor allocate(DType dtype, long... shape) {
    return add(Tensor.allocate(device, dtype, shape));
  }

  /**
   * Allocates a tensor of this scope, as {@link Tensor#allocateLike} does, on that tensor's device.
   */
  public Tensor like(Tensor tensor) {
    return add(Tensor.allocateLike(tensor));
  }

  /**
   * Closes all resources, the newest first, even if some of them fail. A second call closes those
   * that were added since.
   *
   * @throws RuntimeException the first failure, with later ones suppressed
   */
  @Override
  public void close() {
    AutoCloseable[] all = members.toArray(AutoCloseable[]::new);
    members.clear();
    Closing.closeAll(all);
  }
}
