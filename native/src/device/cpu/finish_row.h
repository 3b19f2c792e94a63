// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "device/cpu/blocking.h"
#include "device/cpu/merge_row.h"
#include "device/cpu/unit.h"
#include "device/problem.h"

namespace lvx {

// Divides a row's sum of weighted values by its sum of weights; 0 if there are no weights.
template <typename T>
void normalise(T sum, std::int64_t dim, T* o) {
  const T inverse = sum == T{0} ? T{0} : T{1} / sum;
  for (std::int64_t d = 0; d < dim; ++d) o[d] *= inverse;
}

// Writes a row's result, o normalised, to forward's output.
template <typename T>
void finish_row(const ForwardProblem& a, const Unit& unit, std::int64_t row, T* o, T max, T sum) {
  const std::int64_t dim = a.shape.head_dim;
  const T lse = sum == T{0} ? -std::numeric_limits<T>::infinity() : max + std::log(sum);
  std::byte* out_o = a.out.o.at(unit.batch, unit.query(row), unit.head(row));
  std::byte* out_lse = a.out.lse.at(unit.batch, unit.head(row), unit.query(row));
  if (a.merge) {
    T room[kMaxHeadDim];
    merge_row_into(o, lse, dim, out_o, a.out.o.dtype, out_lse, a.out.lse.dtype, room);
  } else {
    store_row(o, dim, out_o, a.out.o.dtype);
    store_element(lse, out_lse, a.out.lse.dtype, 0);
  }
}

}  // namespace lvx
