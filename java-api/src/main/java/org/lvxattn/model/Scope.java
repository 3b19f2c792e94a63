// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.ArrayDeque;
import java.util.Deque;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;

/** What is made for one computation and ends together, the newest first. */
final class Scope implements AutoCloseable {
  private final Device device;
  private final Deque<Runnable> endings = new ArrayDeque<>();

  Scope(Device device) {
    this.device = device;
  }

  Device device() {
    return device;
  }

  Tensor allocate(DType dtype, long... shape) {
    Tensor tensor = Tensor.allocate(device, dtype, shape);
    endings.push(tensor::close);
    return tensor;
  }

  /** A new tensor of the same dtype and shape. */
  Tensor like(Tensor tensor) {
    return allocate(tensor.dtype(), tensor.shape());
  }

  /** Something else that ends with this. */
  void atEnd(Runnable ending) {
    endings.push(ending);
  }

  /** Ends everything after a failure, which stays the one that is reported. */
  void closeAfter(RuntimeException failure) {
    try {
      close();
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }

  @Override
  public void close() {
    RuntimeException failure = null;
    while (!endings.isEmpty()) {
      try {
        endings.pop().run();
      } catch (RuntimeException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  /** A new int32 tensor with these values, which is the caller's. */
  static Tensor filled(Device device, int[] values, long... shape) {
    Tensor tensor = Tensor.allocate(device, DType.INT32, shape);
    try {
      return tensor.copyFrom(values);
    } catch (RuntimeException e) {
      tensor.close();
      throw e;
    }
  }
}
