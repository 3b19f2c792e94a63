// SPDX-License-Identifier: Apache-2.0
// Rotary embedding (arXiv 2104.09864). The two elements of a pair are half a head apart. One warp processes all heads of a row,
// which share the angles.
#pragma once

#include "device/cuda/collective/row_index.h"
#include "device/cuda/kernel/layer_params.h"

namespace lvx::cuda {

template <typename T>
class Rotary {
 public:
  using Params = RotaryParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    if (warp_row() >= p.batch * p.rows) return;
    const RowIndex row(warp_row(), p.rows, 1);
    const std::int32_t position = load_global(p.positions.data + row.batch * p.positions.batch_stride +
                                              row.row * p.positions.row_stride);
    const int pairs = static_cast<int>(p.dim / 2);
    T cosines[kLanePairs] = {};
    T sines[kLanePairs] = {};
    for_pairs(pairs, [&](int i, int pair) {
      double sine, cosine;
      sine_and_cosine(position * p.frequencies[pair], sine, cosine);
      cosines[i] = static_cast<T>(cosine);
      sines[i] = static_cast<T>(p.inverse ? -sine : sine);
    });
    for (std::int64_t head = 0; head < p.heads; ++head) {
      const std::int64_t x_at = offset_of(p.x, row.batch, row.row, head);
      const std::int64_t y_at = offset_of(p.y, row.batch, row.row, head);
      for_pairs(pairs, [&](int i, int pair) {
        const T a = load_as<T>(p.x.data, p.x.dtype, x_at + pair);
        const T b = load_as<T>(p.x.data, p.x.dtype, x_at + pair + pairs);
        store_as<T>(a * cosines[i] - b * sines[i], p.y.data, p.y.dtype, y_at + pair);
        store_as<T>(b * cosines[i] + a * sines[i], p.y.data, p.y.dtype, y_at + pair + pairs);
      });
    }
  }

 private:
  static constexpr int kLanePairs = kRotaryPairs / kWarp;

  template <typename Visit>
  static LVX_GPU void for_pairs(int pairs, const Visit& visit) {
    LVX_UNROLL
    for (int i = 0; i < kLanePairs; ++i) {
      const int pair = lane() + kWarp * i;
      if (pair < pairs) visit(i, pair);
    }
  }
};

}  // namespace lvx::cuda
