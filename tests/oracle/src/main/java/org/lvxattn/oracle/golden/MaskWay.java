// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import org.jspecify.annotations.Nullable;

/** One way to pass a case's mask: as ranges, or inside the bias. */
record MaskWay(String name, @Nullable VisibilityRanges ranges, @Nullable Bias bias) {
  /** The same mask, for keys begin to end only. */
  MaskWay window(int begin, int end) {
    return new MaskWay(
        name,
        ranges == null ? null : ranges.window(begin, end),
        bias == null ? null : bias.window(begin, end));
  }
}
