// SPDX-License-Identifier: Apache-2.0
// Forward in float32 or float64 without tensor cores. A warp computes one row and processes 32 keys at a time, one per lane.
// These 32 keys are summed in T, and such sums, of which there may be very many, in float64.
#pragma once

#include "device/cuda/collective/row_result.h"
#include "device/cuda/collective/scalar_logit.h"
#include "device/cuda/collective/warp_row.h"
#include "device/cuda/kernel/params.h"

namespace lvx::cuda {

template <typename T>
class ScalarForward {
 public:
  using Params = ForwardParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    if (warp_row() >= row_count(p.shape)) return;
    const UnitRow row(p.shape, warp_row());
    const int dim = static_cast<int>(p.shape.head_dim);
    constexpr T kNothing = -std::numeric_limits<T>::infinity();

    T max = kNothing;
    double sum = 0;
    double o[kLaneColumns] = {};
    for (std::int64_t first = 0; first < p.shape.keys; first += kWarp) {
      const int keys = p.shape.keys - first < kWarp ? static_cast<int>(p.shape.keys - first) : kWarp;
      const std::uint64_t seen =
          visible_bits(p.visibility, row.batch, row.query, p.shape.first_key + first, keys);
      if (seen == 0) continue;
      T x = kNothing;
      if ((seen >> lane() & 1) != 0) {
        x = logit<T>(p.shape, p.q, p.k, p.bias, p.bias_max, row.batch, row.query, row.head,
                     static_cast<int>(first) + lane(), row.key_head);
      }
      const T most = warp_max(x);
      const T top = max > most ? max : most;
      if (top == kNothing) continue;
      const double shrink = exponential(static_cast<double>(max) - static_cast<double>(top));
      const T weight = exponential(x - top);
      max = top;
      sum = sum * shrink + static_cast<double>(warp_sum(weight));
      T added[kLaneColumns] = {};
      for (int j = 0; j < keys; ++j) {
        const T share = shuffle(weight, j);
        if (share == 0) continue;  // hidden or zero weight: v may hold NaN
        const std::int64_t at = offset_of(p.v, row.batch, first + j, row.key_head);
        for_columns(dim, [&](int i, int column) {
          added[i] += share * load_global(elements<T>(p.v.data) + at + column);
        });
      }
      for_columns(dim, [&](int i, int) { o[i] = o[i] * shrink + static_cast<double>(added[i]); });
    }
    const double lse = sum == 0 ? static_cast<double>(kNothing) : static_cast<double>(max) + logarithm(sum);
    const RowResult<double> result(p.o, p.lse, row.batch, row.query, row.head, lse, p.merge);
    sync_warp();  // all lanes have read the old lse
    for_columns(dim, [&](int i, int column) { result.element(column, sum == 0 ? 0.0 : o[i] / sum); });
    if (lane() == 0) result.close();
  }
};

}  // namespace lvx::cuda
