// SPDX-License-Identifier: Apache-2.0
// Merges two partial results (o, lse) of one row over disjoint keys. o is normalised; (0, -inf) is the identity.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "attention/elements.h"
#include "attention/views.h"

namespace lvx {

// Makes an lse relative to this bias_max, which is not smaller than the old one. The lse of an empty result does not change.
template <typename T>
void recount(T& lse, T before, T bias_max) {
  if (lse != -std::numeric_limits<T>::infinity() && before != bias_max) lse += before - bias_max;
}

// (into_o, into_lse) = merge of both, rounded to T once. So the error does not depend on the parts' weights, and a value
// overflows only if the result does.
template <typename T>
void merge_row(const T* o, T lse, std::int64_t dim, T* into_o, T& into_lse) {
  constexpr T kNothing = -std::numeric_limits<T>::infinity();
  if (lse == kNothing) return;
  if (into_lse == kNothing) {
    for (std::int64_t d = 0; d < dim; ++d) into_o[d] = o[d];
    into_lse = lse;
    return;
  }
  const double max = static_cast<double>(lse > into_lse ? lse : into_lse);
  const double weight = std::exp(static_cast<double>(lse) - max);
  const double into_weight = std::exp(static_cast<double>(into_lse) - max);
  const double sum = weight + into_weight;
  const double share = weight / sum;
  const double into_share = into_weight / sum;
  for (std::int64_t d = 0; d < dim; ++d) {
    into_o[d] =
        static_cast<T>(share * static_cast<double>(o[d]) + into_share * static_cast<double>(into_o[d]));
  }
  into_lse = static_cast<T>(max + std::log(sum));
}

// The same, with the second result in tensors of any dtype.
template <typename T>
void merge_row_into(const T* o, T lse, std::int64_t dim, std::byte* into_o, DType o_dtype,
                    std::byte* into_lse, DType lse_dtype, T* room) {
  T sum_lse = load_element<T>(into_lse, lse_dtype, 0);
  // The o of an empty result is undefined, so it is not read.
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
