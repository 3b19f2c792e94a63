// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Preconditions;

/** Checks shapes of layers' arguments. */
final class SequenceShapes {
  private SequenceShapes() {}

  /** Checks the rows of a sequence: floating-point [batch, rows, width]. */
  static Tensor rows(@Nullable Tensor tensor, String name, long width) {
    Tensor rows = Preconditions.present(tensor, name);
    Preconditions.require(
        rows.rank() == 3 && rows.dimension(2) == width && rows.dtype().isFloating(),
        name + " is " + rows + "; floating-point [batch, rows, " + width + "] was expected");
    return rows;
  }

  /** Checks that a tensor has the shape and dtype of another one. */
  static void sameShape(Tensor tensor, String name, Tensor like) {
    Preconditions.require(
        Arrays.equals(tensor.shape(), like.shape()) && tensor.dtype() == like.dtype(),
        name + " is " + tensor + "; shape and dtype of " + like + " were expected");
  }
}
