// SPDX-License-Identifier: Apache-2.0
// Elementwise operations of schedules, with one warp per row. T, the compute type, is float or double.
#pragma once

#include "device/cuda/collective/row_result.h"
#include "device/cuda/collective/warp_row.h"
#include "device/cuda/kernel/params.h"

namespace lvx::cuda {

// In float64, because a result may be merged from very many parts.
class Merge {
 public:
  using Params = MergeParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    if (warp_row() >= row_count(p.shape)) return;
    const RowIndex row(warp_row(), p.shape.queries, p.shape.query_heads);
    double lse = load_as<double>(p.part_lse, row);
    double shift = 0;
    double base = 0;
    if (p.bias_max.data != nullptr) {
      // Makes both relative to the larger base. Empty results have no base.
      const double mine = load_as<double>(p.part_bias_max, row);
      const double theirs = load_as<double>(p.bias_max, row);
      const bool first = load_as<double>(p.lse, row) == kNothing;
      base = lse == kNothing ? theirs : first || mine > theirs ? mine : theirs;
      if (mine != base) lse += mine - base;
      if (theirs != base) shift = theirs - base;
    }
    const std::int64_t at = offset_of(p.part_o, row);
    const RowResult<double> result(p.o, p.lse, row.batch, row.row, row.head, lse, true, shift);
    sync_warp();  // all lanes have read the old lse
    for_columns(static_cast<int>(p.shape.head_dim), [&](int, int column) {
      result.element(column, load_as<double>(p.part_o.data, p.part_o.dtype, at + column));
    });
    if (lane() > 0) return;
    result.close();
    if (p.bias_max.data != nullptr) {
      store_as<double>(base, p.bias_max.data, p.bias_max.dtype,
                       offset_of(p.bias_max, row.batch, row.head, row.row));
    }
  }

 private:
  static constexpr double kNothing = -std::numeric_limits<double>::infinity();
};

template <typename T>
class Delta {
 public:
  using Params = DeltaParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    if (warp_row() >= row_count(p.shape)) return;
    const RowIndex row(warp_row(), p.shape.queries, p.shape.query_heads);
    const std::int64_t o_at = offset_of(p.o, row);
    const std::int64_t do_at = offset_of(p.d_o, row);
    T sum = 0;
    for_columns(static_cast<int>(p.shape.head_dim), [&](int, int column) {
      sum += load_as<T>(p.o.data, p.o.dtype, o_at + column) *
             load_as<T>(p.d_o.data, p.d_o.dtype, do_at + column);
    });
    sum = warp_sum(sum);
    if (lane() == 0)
      store_as<T>(sum, p.delta.data, p.delta.dtype, offset_of(p.delta, row.batch, row.head, row.row));
  }
};

// Supports rows of any width.
template <typename T>
class Copy {
 public:
  using Params = CopyParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    const WarpPiece piece(p.dim);
    if (piece.row >= p.batch * p.rows * p.heads) return;
    const RowIndex row(piece.row, p.rows, p.heads);
    const std::int64_t from = offset_of(p.from, row);
    const std::int64_t to = offset_of(p.to, row);
    piece.for_columns([&](std::int64_t column) {
      put_as<T>(load_as<T>(p.from.data, p.from.dtype, from + column), p.add, p.to.data, p.to.dtype,
                to + column);
    });
  }
};

class CopyRanges {
 public:
  using Params = CopyRangesParams;
  static constexpr int kThreads = kRowThreads;
  static constexpr int kSharedBytes = 0;

  static LVX_GPU void run(const Params& p) {
    if (warp_row() >= p.batch * p.rows) return;
    const RowIndex row(warp_row(), p.rows, 1);
    const std::int32_t* from = p.from.data + row.batch * p.from.batch_stride + row.row * p.from.row_stride;
    for (std::int64_t i = lane(); i < 2 * p.from.ranges; i += kWarp) {
      store_global(p.to + warp_row() * 2 * p.from.ranges + i,
                   load_global(from + i / 2 * p.from.range_stride + i % 2));
    }
  }
};

}  // namespace lvx::cuda
