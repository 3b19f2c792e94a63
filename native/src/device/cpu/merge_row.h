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

// (into_o, into_lse) = merge of both, rounded to T once: what is lost does not grow with what the parts weigh, and values
// overflow only where the result does.
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
