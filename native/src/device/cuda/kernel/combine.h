// SPDX-License-Identifier: Apache-2.0
// Combines the partial results of splits, with one warp per row. Adds them in the order of the splits and in float64, so that
// the number of splits does not affect accuracy.
#pragma once

#include "device/cuda/collective/row_result.h"
#include "device/cuda/collective/warp_row.h"
#include "device/cuda/kernel/params.h"

namespace lvx::cuda {

// Part: the element type of the splits' sums.
template <typename Part>
class CombineSplits {
 public:
  using Params = CombineParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    const std::int64_t all = row_count(p.shape);
    if (warp_row() >= all) return;
    const UnitRow row(p.shape, warp_row());
    const int dim = static_cast<int>(p.shape.head_dim);
    float max = -kInfinity;
    for (int split = lane(); split < p.splits; split += kWarp) {
      max = fmaxf(max, load_global(p.sums.max + split * all + warp_row()));
    }
    max = warp_max(max);
    double sum = 0;
    double o[kLaneColumns] = {};
    for (int first = 0; first < p.splits; first += kWarp) {
      const int count = p.splits - first < kWarp ? p.splits - first : kWarp;
      double weight = 0;
      double part = 0;
      if (lane() < count) {
        const std::int64_t at = (first + lane()) * all + warp_row();
        const float own = load_global(p.sums.max + at);
        if (own != -kInfinity) {
          weight = own == max ? 1 : power_of_two(own - max);
          part = weight * static_cast<double>(load_global(static_cast<const Part*>(p.sums.sum) + at));
        }
      }
      for (int j = 0; j < count; ++j) {
        sum += shuffle(part, j);
        const double share = shuffle(weight, j);
        if (share == 0) continue;
        const Part* from = static_cast<const Part*>(p.sums.o) + ((first + j) * all + warp_row()) * dim;
        for_columns(
            dim, [&](int i, int column) { o[i] += share * static_cast<double>(load_global(from + column)); });
      }
    }
    constexpr double kNothing = -std::numeric_limits<double>::infinity();
    const double lse = sum == 0 ? kNothing : static_cast<double>(max) * kLn2Double + logarithm(sum);
    const RowResult<double> result(p.o, p.lse, row.batch, row.query, row.head, lse, p.merge);
    sync_warp();  // all lanes have read the old lse
    for_columns(dim, [&](int i, int column) { result.element(column, sum == 0 ? 0.0 : o[i] / sum); });
    if (lane() == 0) result.close();
  }
};

class SumSplits {
 public:
  using Params = SumParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    const std::int64_t all = row_count(p.shape);
    if (warp_row() >= all) return;
    const UnitRow row(p.shape, warp_row());
    const int dim = static_cast<int>(p.shape.head_dim);
    const std::int64_t at = offset_of(p.dq, row);
    for_columns(dim, [&](int, int column) {
      double sum = 0;
      for (int split = 0; split < p.splits; ++split) {
        sum += load_global(p.split_dq + (split * all + warp_row()) * dim + column);
      }
      put_as<double>(p.shape.scale * sum, p.add, p.dq.data, p.dq.dtype, at + column);
    });
  }
};

}  // namespace lvx::cuda
