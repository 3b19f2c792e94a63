// SPDX-License-Identifier: Apache-2.0
// The threads that process one row of any width: one warp of a block, or all four warps for wide rows.
#pragma once

#include "device/cuda/collective/warp_row.h"

namespace lvx::cuda {

template <int kWarps>
struct RowTeam {
  static_assert(kWarps == 1 || kWarps == kRowThreads / kWarp);
  static constexpr int kSharedBytes = kWarps == 1 ? 0 : kWarps * 8;

  static constexpr std::int64_t blocks(std::int64_t rows) { return kWarps == 1 ? row_blocks(rows) : rows; }

  static LVX_GPU std::int64_t row() { return kWarps == 1 ? warp_row() : block_index(); }

  // Calls visit(column) for this thread's columns.
  template <typename Visit>
  static LVX_GPU void for_columns(std::int64_t width, const Visit& visit) {
    const int first = kWarps == 1 ? lane() : thread_index();
    for (std::int64_t column = first; column < width; column += kWarps * kWarp) visit(column);
  }

  // Reduces over all threads of the team and synchronises them.
  static LVX_GPU double sum(double x) {
    x = warp_sum(x);
    if constexpr (kWarps > 1) {
      sync_block();  // nobody reads the last sums any more
      if (lane() == 0) store_shared(shared_memory() + 8 * warp_index(), x);
      sync_block();
      x = 0;
      LVX_UNROLL
      for (int w = 0; w < kWarps; ++w) x += load_shared<double>(shared_memory() + 8 * w);
    }
    return x;
  }
};

}  // namespace lvx::cuda
