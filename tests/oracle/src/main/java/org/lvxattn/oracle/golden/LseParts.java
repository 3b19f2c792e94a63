// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.List;
import org.lvxattn.DType;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.oracle.Results;

/**
 * The log-sum-exp of a computation, {@code [batch, heads, queries]}, and with a bias its two terms,
 * which backward and merges need then.
 */
record LseParts(Tensor whole, List<String> names) {
  /**
   * Names of the results: the log-sum-exp, the largest bias that a query sees, and the remainder.
   */
  private static final List<String> NAMES = List.of("lse", "lse_bias", "lse_rest");

  static LseParts allocate(
      TensorScope open, DType dtype, boolean biased, long batch, long heads, long queries) {
    return biased
        ? new LseParts(open.allocate(dtype, NAMES.size(), batch, heads, queries), NAMES)
        : new LseParts(open.allocate(dtype, batch, heads, queries), NAMES.subList(0, 1));
  }

  /** The names that results hold. */
  static List<String> namesIn(Results results) {
    return results.names().contains(NAMES.getLast()) ? NAMES : NAMES.subList(0, 1);
  }

  /** One of the parts. */
  Tensor part(int index) {
    return names.size() == 1 ? whole : whole.slice(0, index, index + 1);
  }
}
