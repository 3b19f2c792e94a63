// SPDX-License-Identifier: Apache-2.0
// How many blocks the kernels need that give each row a warp, or each element a thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "attention/views.h"

namespace lvx::cuda {

constexpr int kRowThreads = 128;  // four warps, one row each
constexpr std::int64_t row_blocks(std::int64_t rows) {
  return (rows + kRowThreads / 32 - 1) / (kRowThreads / 32);
}

// A warp for each piece of a row.
constexpr std::int64_t kPieceColumns = 256;
constexpr std::int64_t pieces_of(std::int64_t width) { return (width + kPieceColumns - 1) / kPieceColumns; }
constexpr std::int64_t piece_blocks(std::int64_t rows, std::int64_t width) {
  return row_blocks(rows * pieces_of(width));
}

// A block for 32 columns of one of several parts of the rows. How many parts depends on nothing but the sizes, so that
// sums have the same bits on every GPU.
constexpr int kSumColumns = 32;
constexpr std::int64_t sum_tiles(std::int64_t width) { return (width + kSumColumns - 1) / kSumColumns; }
constexpr std::int64_t kMostSums = 512, kFewestSums = 16;  // of one column
constexpr std::int64_t sum_parts(std::int64_t rows, std::int64_t width) {
  const std::int64_t wanted = 65536 / std::max<std::int64_t>(1, width);
  return std::clamp<std::int64_t>(rows, 1, std::clamp(wanted, kFewestSums, kMostSums));
}
// Of all columns and whatever the rows; grows with the width.
constexpr std::int64_t sums_of(std::int64_t width) {
  return std::max(kFewestSums * width, std::min<std::int64_t>(kMostSums * width, 65536));
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
