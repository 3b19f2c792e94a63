// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.ArrayDeque;
import java.util.Deque;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;

/**
 * Tensors, and results that own tensors, that end together: the newest first.
 *
 * <pre>{@code
 * try (TensorScope scope = new TensorScope(device)) {
 *   Tensor q = scope.add(Tensor.of(device, DType.FLOAT32, values, 1, 128, 32, 128));
 *   Tensor o = scope.like(q);
 *   ...
 * }
 * }</pre>
 *
 * <p>It is used by the thread that owns the device.
 */
public final class TensorScope implements AutoCloseable {
  private final Device device;
  private final Deque<AutoCloseable> members = new ArrayDeque<>();

  /**
   * An empty scope.
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
   * Takes over something that is closed when this is, before what was added earlier.
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

  /** A tensor of this scope, as by {@link Tensor#allocate}. */
  public Tensor allocate(DType dtype, long... shape) {
    return add(Tensor.allocate(device, dtype, shape));
  }

  /** A tensor of this scope, as by {@link Tensor#allocateLike}; on the device of the other. */
  public Tensor like(Tensor tensor) {
    return add(Tensor.allocateLike(tensor));
  }

  /**
   * Closes everything, the newest first, also where some of it cannot be closed. A second time it
   * closes what was added since, if anything.
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
