// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import org.jspecify.annotations.Nullable;

/** One of the ways in which a case's mask is handed over: as ranges, or inside the bias. */
record MaskWay(String name, @Nullable VisibilityRanges ranges, @Nullable Bias bias) {
  /** The same for keys begin to end alone. */
  MaskWay window(int begin, int end) {
    return new MaskWay(
        name,
        ranges == null ? null : ranges.window(begin, end),
        bias == null ? null : bias.window(begin, end));
  }
}
