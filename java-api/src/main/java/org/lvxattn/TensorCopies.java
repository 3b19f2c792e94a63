// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.bindings.generated.Lvx;

/** Copies between tensors that the host need not see. */
final class TensorCopies {
  /** What the native copy takes. */
  private static final int MOST_DIMENSIONS = 4;

  private TensorCopies() {}

  /**
   * Copies on a GPU, if both are there and it can; says whether it has. Shapes and dtypes were
   * compared.
   */
  static boolean onDevice(Tensor from, Tensor to) {
    Device device = to.device();
    if (device.hasHostMemory()
        || !device.equals(from.device())
        || !to.dtype().isFloating()
        || to.rank() < 1
        || to.rank() > MOST_DIMENSIONS
        || !hasContiguousRows(from)
        || !hasContiguousRows(to)
        || overlap(from, to)) {
      return false;
    }
    NativeCalls.check(
        Lvx.lvx_tensor_copy(
            device.handle(),
            Arguments.input(from, device, "source"),
            Arguments.output(to, device, "tensor")));
    return true;
  }

  private static boolean hasContiguousRows(Tensor tensor) {
    int last = tensor.rank() - 1;
    return tensor.dimension(last) <= 1 || tensor.strides()[last] == 1;
  }

  private static boolean overlap(Tensor from, Tensor to) {
    return from.data().address() < end(to) && to.data().address() < end(from);
  }

  private static long end(Tensor tensor) {
    return tensor.data().address()
        + Shapes.extentBytes(tensor.shape(), tensor.strides(), tensor.dtype());
  }
}
