// SPDX-License-Identifier: Apache-2.0
// Access to the rows of layers, with one warp per piece of a row.
#pragma once

#include "device/cuda/collective/row_index.h"
#include "device/layers.h"

namespace lvx::cuda {

// Calls visit(item, row, column) for this thread's elements of x. The grid has piece_blocks blocks.
template <typename Visit>
LVX_GPU void for_elements(const Rows& x, const Visit& visit) {
  const WarpPiece piece(x.width);
  if (piece.row >= x.batch * x.rows) return;
  const RowIndex row(piece.row, x.rows, 1);
  piece.for_columns([&](std::int64_t column) { visit(row.batch, row.row, column); });
}

template <typename T>
LVX_GPU T load_as(const Rows& x, std::int64_t item, std::int64_t row, std::int64_t column) {
  return load_as<T>(x.data, x.dtype, item * x.batch_stride + row * x.row_stride + column);
}
template <typename T>
LVX_GPU void store_as(T value, const Rows& x, std::int64_t item, std::int64_t row, std::int64_t column) {
  store_as<T>(value, x.data, x.dtype, item * x.batch_stride + row * x.row_stride + column);
}
// A parameter with one element per column, or its default if it is absent.
template <typename T>
LVX_GPU T load_as(const Parameter& x, std::int64_t column, T absent) {
  return x.data == nullptr ? absent : load_as<T>(x.data, x.dtype, column);
}

LVX_GPU bool is_live(const RowIntegers& live, std::int64_t item, std::int64_t row) {
  return live.data == nullptr ||
         load_global(live.data + item * live.batch_stride + row * live.row_stride) != 0;
}

template <typename T>
LVX_GPU T sigmoid(T x) {
  return T{1} / (T{1} + exponential(-x));
}

}  // namespace lvx::cuda
