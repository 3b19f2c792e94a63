// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.lvxattn.DType;
import org.lvxattn.internal.Preconditions;

/**
 * The additive bias of a call, {@code [batch or 1, heads or 1, the group's queries or 1, keys]}.
 *
 * @param perBatchItem whether it differs between batch items
 * @param perHead whether it differs between query heads
 * @param perQuery whether it differs between queries
 * @param dtype of its elements; floating-point
 * @param gradient whether backward computes its gradient
 */
public record BiasShape(
    boolean perBatchItem, boolean perHead, boolean perQuery, DType dtype, boolean gradient) {
  /**
   * Checks the components.
   *
   * @throws NullPointerException if dtype is null
   * @throws IllegalArgumentException if dtype is not floating-point
   */
  public BiasShape {
    Preconditions.present(dtype, "dtype");
    Preconditions.require(dtype.isFloating(), "dtype", dtype, "a floating-point dtype");
  }
}
