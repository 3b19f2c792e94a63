// SPDX-License-Identifier: Apache-2.0
// What is left to do with the partial results of splits, a warp for each row, always in the order of the splits.
#pragma once

#include "device/cuda/collective/row_result.h"
#include "device/cuda/collective/warp_row.h"
#include "device/cuda/kernel/params.h"

namespace lvx::cuda {

class CombineSplits {
 public:
  using Params = CombineParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    const std::int64_t all = p.problem.rows();
    if (warp_row() >= all) return;
    const UnitRow row(p.problem, warp_row());
    const int dim = static_cast<int>(p.problem.head_dim);
    float max = -kInfinity;
    for (int split = 0; split < p.splits; ++split) {
      max = fmaxf(max, load_global(p.split_lse + split * all + warp_row()));
    }
    float sum = 0;
    float o[kLaneColumns] = {};
    for (int split = 0; split < p.splits; ++split) {
      const float lse = load_global(p.split_lse + split * all + warp_row());
      if (lse == -kInfinity) continue;
      const float weight = exponential(lse - max);
      sum += weight;
      const float* part = p.split_o + (split * all + warp_row()) * dim;
      for_columns(dim, [&](int i, int column) { o[i] += weight * load_global(part + column); });
    }
    const float lse = sum == 0 ? -kInfinity : max + logarithm(sum);
    const RowResult<float> result(p.o, p.lse, row.batch, row.query, row.head, lse, p.merge);
    sync_warp();  // all lanes have read the old lse
    for_columns(dim, [&](int i, int column) { result.element(column, sum == 0 ? 0.0f : o[i] / sum); });
    if (lane() == 0) result.close();
  }
};

class SumSplits {
 public:
  using Params = SumParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    const std::int64_t all = p.problem.rows();
    if (warp_row() >= all) return;
    const UnitRow row(p.problem, warp_row());
    const int dim = static_cast<int>(p.problem.head_dim);
    const float scale = static_cast<float>(p.problem.scale);
    const std::int64_t at = offset_of(p.dq, row);
    for_columns(dim, [&](int, int column) {
      float sum = 0;
      for (int split = 0; split < p.splits; ++split) {
        sum += load_global(p.split_dq + (split * all + warp_row()) * dim + column);
      }
      put_as<float>(scale * sum, p.add, p.dq.data, p.dq.dtype, at + column);
    });
  }
};

}  // namespace lvx::cuda
