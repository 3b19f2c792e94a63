// SPDX-License-Identifier: Apache-2.0
// A row of up to 256 elements spread over a warp: lane l holds columns l, l + 32, ...
#pragma once

#include "device/cuda/collective/row_index.h"

namespace lvx::cuda {

constexpr int kLaneColumns = 8;

template <typename Visit>
LVX_GPU void for_columns(int dim, const Visit& visit) {
  LVX_UNROLL
  for (int i = 0; i < kLaneColumns; ++i) {
    const int column = lane() + kWarp * i;
    if (column < dim) visit(i, column);
  }
}

template <typename T>
LVX_GPU T warp_sum(T x) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) x += shuffle_xor(x, mask);
  return x;
}
template <typename T>
LVX_GPU T warp_max(T x) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const T other = shuffle_xor(x, mask);
    x = other > x ? other : x;
  }
  return x;
}

}  // namespace lvx::cuda
