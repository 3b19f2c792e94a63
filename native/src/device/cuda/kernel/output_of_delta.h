// SPDX-License-Identifier: Apache-2.0
// An output o with rowsum(d_o * o) = delta, for a library that asks for o only to compute delta again: where queries
// visit, o has stayed at home. o is taken along d_o, o = d_o * delta / |d_o|^2, so that all terms of the sum have one sign
// and rounding o to half precision changes delta by no more than its own rounding would.
#pragma once

#include "device/cuda/collective/warp_row.h"
#include "device/cuda/kernel/params.h"

namespace lvx::cuda {

class OutputOfDelta {
 public:
  using Params = OutputOfDeltaParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    if (warp_row() >= p.problem.batch * p.problem.query_heads * p.problem.queries) return;
    const std::int64_t head = warp_row() % p.problem.query_heads;
    const std::int64_t row = warp_row() / p.problem.query_heads % p.problem.queries;
    const std::int64_t batch = warp_row() / p.problem.query_heads / p.problem.queries;
    const std::int64_t from = offset_of(p.d_o, batch, row, head);
    const int dim = static_cast<int>(p.problem.head_dim);
    float columns[kLaneColumns] = {};
    float largest = 0;
    for_columns(dim, [&](int i, int column) {
      columns[i] = load_as<float>(p.d_o.data, p.d_o.dtype, from + column);
      const float size = columns[i] < 0 ? -columns[i] : columns[i];
      largest = size > largest ? size : largest;
    });
    largest = warp_max(largest);
    // Squares of numbers up to 1 neither overflow nor vanish.
    const float shrink = largest == 0 ? 0 : 1 / largest;
    float squares = 0;
    for_columns(dim, [&](int i, int) {
      columns[i] *= shrink;
      squares += columns[i] * columns[i];
    });
    squares = warp_sum(squares);
    const float delta = load_as<float>(p.delta.data, p.delta.dtype, offset_of(p.delta, batch, head, row));
    const float factor = largest == 0 ? 0 : delta * shrink / squares;
    const std::int64_t to = offset_of(p.o, batch, row, head);
    for_columns(dim, [&](int i, int column) {
      store_as<float>(columns[i] * factor, p.o.data, p.o.dtype, to + column);
    });
  }
};

}  // namespace lvx::cuda
