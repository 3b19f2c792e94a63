// SPDX-License-Identifier: Apache-2.0
// How many blocks the kernels need that give each row a warp, or each element a thread.
#pragma once

#include <cstdint>

#include "attention/views.h"

namespace lvx::cuda {

constexpr int kRowThreads = 128;  // four warps, one row each
constexpr std::int64_t row_blocks(std::int64_t rows) {
  return (rows + kRowThreads / 32 - 1) / (kRowThreads / 32);
}

// A thread for each element of d_bias; elements that are broadcast are one.
constexpr int kBiasThreads = 128;
inline std::int64_t bias_gradient_blocks(const Problem& p, const Bias& d_bias) {
  const std::int64_t rows = (d_bias.batch_stride == 0 ? 1 : p.batch) *
                            (d_bias.head_stride == 0 ? 1 : p.query_heads) *
                            (d_bias.row_stride == 0 ? 1 : p.queries);
  return (rows * p.keys + kBiasThreads - 1) / kBiasThreads;
}

}  // namespace lvx::cuda
