// SPDX-License-Identifier: Apache-2.0
// Computes the base of each row's biases, with one block per row.
#pragma once

#include "device/cuda/collective/mask.h"
#include "device/cuda/collective/warp_row.h"
#include "device/cuda/kernel/params.h"

namespace lvx::cuda {

template <typename T>
class BiasMax {
 public:
  using Params = BiasMaxParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = kThreads / kWarp * 8;

  static LVX_GPU void run(const Params& p) {
    constexpr T kNothing = -std::numeric_limits<T>::infinity();
    const RowIndex row(block_index(), p.shape.queries, p.shape.query_heads);
    T max = kNothing;
    for (std::int64_t first = warp_index() * kWarp; first < p.shape.keys; first += kThreads) {
      const int keys = p.shape.keys - first < kWarp ? static_cast<int>(p.shape.keys - first) : kWarp;
      const std::uint64_t seen =
          visible_bits(p.visibility, row.batch, row.row, p.shape.first_key + first, keys);
      if ((seen >> lane() & 1) == 0) continue;
      const T bias = p.bias.data == nullptr
                         ? T{0}
                         : load_as<T>(p.bias.data, p.bias.dtype,
                                      offset_of(p.bias, row.batch, row.head, row.row, first + lane()));
      max = bias > max ? bias : max;
    }
    max = warp_max(max);
    if (lane() == 0) store_shared(shared_memory() + 8 * warp_index(), max);
    sync_block();
    if (thread_index() > 0) return;
    for (int w = 1; w < kThreads / kWarp; ++w) {
      const T other = load_shared<T>(shared_memory() + 8 * w);
      max = other > max ? other : max;
    }
    const std::int64_t at = offset_of(p.bias_max, row.batch, row.head, row.row);
    if (p.merge) {
      const T before = load_global(elements<T>(p.bias_max.data) + at);
      if (!(max > before)) return;
      T* lse = elements<T>(p.lse.data) + offset_of(p.lse, row.batch, row.head, row.row);
      store_global(lse, load_global(lse) + (before - max));
    }
    store_global(elements<T>(p.bias_max.data) + at, max);
  }
};

}  // namespace lvx::cuda
