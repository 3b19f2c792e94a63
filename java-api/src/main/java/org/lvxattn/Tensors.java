// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;

/** Several tensors at once. */
final class Tensors {
  private Tensors() {}

  /** Closes all that there are, and then throws the first failure, the others suppressed. */
  static void closeAll(@Nullable Tensor... tensors) {
    RuntimeException failure = null;
    for (Tensor tensor : tensors) {
      if (tensor == null) {
        continue;
      }
      try {
        tensor.close();
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

  /** Closes what was made before a failure, which stays the one that is reported. */
  static void closeAfter(RuntimeException failure, @Nullable Tensor... tensors) {
    try {
      closeAll(tensors);
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }

  /** A new tensor of the same dtype and shape. */
  static Tensor like(Tensor tensor) {
    return Tensor.allocate(tensor.device(), tensor.dtype(), tensor.shape());
  }
}
