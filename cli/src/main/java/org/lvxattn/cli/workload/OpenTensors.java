// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;

/** Makes tensors on one device and closes them together, the newest first. */
public final class OpenTensors implements AutoCloseable {
  private final Device device;
  private final Deque<Tensor> open = new ArrayDeque<>();

  public OpenTensors(Device device) {
    this.device = device;
  }

  public Tensor allocate(DType dtype, long... shape) {
    Tensor tensor = Tensor.allocate(device, dtype, shape);
    open.push(tensor);
    return tensor;
  }

  public Device device() {
    return device;
  }

  /** Describes row-major memory of the caller. */
  public Tensor wrap(MemorySegment memory, DType dtype, long... shape) {
    Tensor tensor = Tensor.wrap(device, memory, dtype, shape, null);
    open.push(tensor);
    return tensor;
  }

  @Override
  public void close() {
    while (!open.isEmpty()) {
      open.pop().close();
    }
  }
}
