// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.Objects;
import org.lvxattn.DType;

/**
 * The additive bias of a call, {@code [batch or 1, heads or 1, the group's queries or 1, keys]}.
 *
 * @param perBatchItem whether it differs between batch items
 * @param perHead whether it differs between query heads
 * @param perQuery whether it differs between queries
 * @param dtype of its elements; floating-point
 * @param gradient whether its gradient is wanted in backward
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
    Objects.requireNonNull(dtype, "dtype is null");
    Checks.require(dtype.isFloating(), "dtype", dtype, "a floating-point dtype");
  }

  /** Elements of its part for some queries and heads and one rank's keys. */
  long elements(AttentionSizes sizes, int heads, long queries, long keys) {
    return (perBatchItem ? sizes.batch() : 1L)
        * (perHead ? heads : 1)
        * (perQuery ? queries : 1)
        * keys;
  }
}
