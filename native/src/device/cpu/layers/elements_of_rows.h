// SPDX-License-Identifier: Apache-2.0
// Elementwise operations on rows, in pieces that are converted to the compute type on the stack.
#pragma once

#include <algorithm>

#include "attention/elements.h"
#include "device/cpu/for_each.h"
#include "device/layers.h"

namespace lvx::cpu {

// Consecutive elements of one row.
struct Piece {
  static constexpr std::int64_t kLongest = 256;

  std::int64_t item, row, begin, count;

  template <typename T>
  void load(const Rows& x, T* elements) const {
    load_row(x.at(item, row) + begin * size_of(x.dtype), x.dtype, count, elements);
  }
  template <typename T>
  void load(const Parameter& x, T* elements) const {
    load_row(x.data + begin * size_of(x.dtype), x.dtype, count, elements);
  }
  template <typename T>
  void store(const T* elements, const Rows& x) const {
    store_row(elements, count, x.at(item, row) + begin * size_of(x.dtype), x.dtype);
  }
};

// Calls work(piece) for all elements of a tensor shaped like x.
template <typename Work>
void for_each_piece(ThreadTeam& team, const Rows& x, const Work& work) {
  const std::int64_t pieces = divide_up(x.width, Piece::kLongest);  // per row
  for_each(team, x.batch * x.rows * pieces, std::min(x.width, Piece::kLongest), [&](std::int64_t index) {
    const std::int64_t row = index / pieces;
    const std::int64_t begin = index % pieces * Piece::kLongest;
    work(Piece{row / x.rows, row % x.rows, begin, std::min(Piece::kLongest, x.width - begin)});
  });
}

inline bool is_live(const RowIntegers& live, std::int64_t item, std::int64_t row) {
  return live.none() || live.at(item, row) != 0;
}

// Calls compute(T{}), where T is the compute type of dtype.
template <typename Compute>
void in_accumulator(DType dtype, const Compute& compute) {
  if (dtype == DType::kFloat64) {
    compute(double{});
  } else {
    compute(float{});
  }
}

}  // namespace lvx::cpu
