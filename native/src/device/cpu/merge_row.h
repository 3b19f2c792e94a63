// SPDX-License-Identifier: Apache-2.0
// The merge rule for one row: (o, lse) of disjoint keys, o normalised, (0, -inf) the identity.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "attention/elements.h"
#include "attention/views.h"

namespace lvx {

// An lse that counted from another bias_max counts from this one, which is no smaller. Empty results keep theirs.
template <typename T>
void recount(T& lse, T before, T bias_max) {
  if (lse != -std::numeric_limits<T>::infinity() && before != bias_max) lse += before - bias_max;
}

// (into_o, into_lse) = merge of both; the result is summed in T.
template <typename T>
void merge_row(const T* o, T lse, std::int64_t dim, T* into_o, T& into_lse) {
  constexpr T kNothing = -std::numeric_limits<T>::infinity();
  if (lse == kNothing) return;
  if (into_lse == kNothing) {
    for (std::int64_t d = 0; d < dim; ++d) into_o[d] = o[d];
    into_lse = lse;
    return;
  }
  const T max = lse > into_lse ? lse : into_lse;
  const T weight = std::exp(lse - max);
  const T into_weight = std::exp(into_lse - max);
  const T sum = weight + into_weight;
  for (std::int64_t d = 0; d < dim; ++d) into_o[d] = (weight * o[d] + into_weight * into_o[d]) / sum;
  into_lse = max + std::log(sum);
}

// The same with the second result in tensors of any dtype.
template <typename T>
void merge_row_into(const T* o, T lse, std::int64_t dim, std::byte* into_o, DType o_dtype,
                    std::byte* into_lse, DType lse_dtype, T* room) {
  T sum_lse = load_element<T>(into_lse, lse_dtype, 0);
  // What stands in the place of an empty result is not read: it may be anything.
  if (sum_lse == -std::numeric_limits<T>::infinity()) {
    for (std::int64_t d = 0; d < dim; ++d) room[d] = T{0};
  } else {
    load_row(into_o, o_dtype, dim, room);
  }
  merge_row(o, lse, dim, room, sum_lse);
  store_row(room, dim, into_o, o_dtype);
  store_element(sum_lse, into_lse, lse_dtype, 0);
}

}  // namespace lvx
