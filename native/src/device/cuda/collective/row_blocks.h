// SPDX-License-Identifier: Apache-2.0
// Grid sizes of kernels with one warp per row, or one thread per element.
#pragma once

#include <algorithm>
#include <cstdint>

#include "attention/views.h"
#include "base/divide.h"

namespace lvx::cuda {

constexpr int kRowThreads = 128;  // four warps, one row each
constexpr std::int64_t row_blocks(std::int64_t rows) { return divide_up(rows, kRowThreads / 32); }

// One warp per piece of a row.
constexpr std::int64_t kPieceColumns = 256;
constexpr std::int64_t pieces_of(std::int64_t width) { return divide_up(width, kPieceColumns); }
constexpr std::int64_t piece_blocks(std::int64_t rows, std::int64_t width) {
  return row_blocks(rows * pieces_of(width));
}

// One block per 32 columns of one part of the rows. The number of parts depends only on the sizes, so that sums have the same
// bits on every GPU.
constexpr int kSumColumns = 32;
constexpr std::int64_t sum_tiles(std::int64_t width) { return divide_up(width, kSumColumns); }
constexpr std::int64_t kMostSums = 512, kFewestSums = 16;  // per column
constexpr std::int64_t sum_parts(std::int64_t rows, std::int64_t width) {
  const std::int64_t wanted = 65536 / std::max<std::int64_t>(1, width);
  return std::clamp<std::int64_t>(rows, 1, std::clamp(wanted, kFewestSums, kMostSums));
}
// An upper bound of sum_parts(rows, width) * width for any number of rows; grows with the width.
constexpr std::int64_t sums_of(std::int64_t width) {
  return std::max(kFewestSums * width, std::min<std::int64_t>(kMostSums * width, 65536));
}

// One thread per stored element of d_bias: a dimension of stride 0 counts once.
constexpr int kBiasThreads = 128;
inline std::int64_t bias_gradient_blocks(const ProblemShape& p, const Bias& d_bias) {
  const std::int64_t rows = (d_bias.batch_stride == 0 ? 1 : p.batch) *
                            (d_bias.head_stride == 0 ? 1 : p.query_heads) *
                            (d_bias.row_stride == 0 ? 1 : p.queries);
  return divide_up(rows * p.keys, kBiasThreads);
}

}  // namespace lvx::cuda
