// SPDX-License-Identifier: Apache-2.0
// The row, or piece of a row, that a warp processes, in kernels with one warp per row or piece.
#pragma once

#include "device/cuda/collective/address.h"
#include "device/cuda/collective/row_blocks.h"
#include "device/cuda/collective/unit_rows.h"

namespace lvx::cuda {

LVX_GPU std::int64_t warp_row() { return block_index() * (kRowThreads / kWarp) + warp_index(); }

// The piece of a row that a warp processes, in kernels with one warp per piece. The grid has piece_blocks blocks.
struct WarpPiece {
  std::int64_t row, begin, end;

  LVX_GPU explicit WarpPiece(std::int64_t width)
      : row(warp_row() / pieces_of(width)), begin(warp_row() % pieces_of(width) * kPieceColumns) {
    end = begin + kPieceColumns < width ? begin + kPieceColumns : width;
  }

  // Calls visit(column) for this lane's columns.
  template <typename Visit>
  LVX_GPU void for_columns(const Visit& visit) const {
    for (std::int64_t column = begin + lane(); column < end; column += kWarp) visit(column);
  }
};

// Row i of a tensor [batch, rows, heads, ...]; consecutive i run over the heads first.
struct RowIndex {
  std::int64_t batch, row, head;

  LVX_GPU RowIndex(std::int64_t i, std::int64_t rows, std::int64_t heads)
      : batch(i / heads / rows), row(i / heads % rows), head(i % heads) {}
};

// The number of query rows of a problem.
LVX_GPU std::int64_t row_count(const ProblemShape& shape) {
  return shape.batch * shape.query_heads * shape.queries;
}

// Query row i of a problem, numbered unit by unit.
struct UnitRow {
  std::int64_t batch;
  int query, head, key_head;

  LVX_GPU UnitRow(const ProblemShape& shape, std::int64_t i) {
    const std::int64_t unit_rows = shape.queries * (shape.query_heads / shape.key_heads);
    const UnitRows rows(shape, i / unit_rows);
    const int row = static_cast<int>(i % unit_rows);
    batch = rows.batch;
    query = rows.query(row);
    head = rows.head(row);
    key_head = rows.key_head;
  }
};

LVX_GPU std::int64_t offset_of(const Bshd& x, const RowIndex& at) {
  return offset_of(x, at.batch, at.row, at.head);
}
template <typename T>
LVX_GPU T load_as(const Bhs& x, const RowIndex& at) {
  return load_as<T>(x.data, x.dtype, offset_of(x, at.batch, at.head, at.row));
}
LVX_GPU std::int64_t offset_of(const Bshd& x, const UnitRow& at) {
  return offset_of(x, at.batch, at.query, at.head);
}

}  // namespace lvx::cuda
