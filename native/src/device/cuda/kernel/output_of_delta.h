// SPDX-License-Identifier: Apache-2.0
// Computes an output o with rowsum(d_o * o) = delta, for a library that needs o only to compute delta again, because ranks do
// not send o. o is parallel to d_o: o = d_o * delta / |d_o|^2. All terms of the sum then have one sign, so rounding o to half
// precision changes delta by no more than rounding delta itself would.
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
    if (warp_row() >= p.shape.batch * p.shape.query_heads * p.shape.queries) return;
    const std::int64_t head = warp_row() % p.shape.query_heads;
    const std::int64_t row = warp_row() / p.shape.query_heads % p.shape.queries;
    const std::int64_t batch = warp_row() / p.shape.query_heads / p.shape.queries;
    const std::int64_t from = offset_of(p.d_o, batch, row, head);
    const int dim = static_cast<int>(p.shape.head_dim);
    float columns[kLaneColumns] = {};
    float largest = 0;
    for_columns(dim, [&](int i, int column) {
      columns[i] = load_as<float>(p.d_o.data, p.d_o.dtype, from + column);
      const float size = columns[i] < 0 ? -columns[i] : columns[i];
      largest = size > largest ? size : largest;
    });
    largest = warp_max(largest);
    // Scaled to at most 1 in magnitude, so that squares neither overflow nor underflow to 0.
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
