// SPDX-License-Identifier: Apache-2.0
// Rows of queries and keys as factors: used where they lie, or packed.
#if defined(LVX_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_ROWS_INL_H
#undef LVX_ROWS_INL_H
#else
#define LVX_ROWS_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "attention/views.h"
#include "device/cpu/blocking.h"
#include "device/cpu/pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {

template <typename Value>
struct Rows {
  Value* data = nullptr;
  std::int64_t ld = 0;

  Value* at(std::int64_t row) const { return data + row * ld; }
};

// Whether rows of x lie as numbers that one computes with, in whole vectors.
template <typename T>
bool lies_as(const Bshd& x, std::int64_t dim) {
  return sizeof(T) == static_cast<std::size_t>(size_of(x.dtype)) && dim % kLanes == 0;
}

// Whether rows of x are factors where they lie, read one by one.
template <typename Factor>
bool usable_one_by_one(const Bshd& x) {
  return kIsPair<Factor> ? x.row_stride % kTerms<Factor> == 0
                         : sizeof(SumOf<Factor>) == static_cast<std::size_t>(size_of(x.dtype));
}

// Likewise, read as whole vectors: numbers only, as pairs would have their terms along the wrong dimension.
template <typename Factor>
bool usable_as_vectors(const Bshd& x, std::int64_t dim) {
  return !kIsPair<Factor> && lies_as<SumOf<Factor>>(x, dim);
}

template <typename Factor>
Rows<Factor> where_it_lies(const Bshd& x, std::int64_t b, std::int64_t row, std::int64_t head) {
  return {reinterpret_cast<Factor*>(x.at(b, row, head)), x.row_stride / kTerms<Factor>};
}

// columns[d, row] of a panel, terms along d, and in room [row, packed d] the rows as they are; zeros beyond them and up
// to whole vectors. row_at(i) is where row i begins. True if all are finite.
template <typename Factor, typename RowAt>
HWY_INLINE bool pack_columns(std::int64_t rows, std::int64_t dim, DType dtype, const RowAt& row_at,
                             Factor* room, Factor* columns) {
  constexpr int kIn = kTerms<Factor>;
  const std::int64_t ld = packed_dim(dim) / kIn;
  const std::int64_t padding = (round_up(dim, kLanes) - dim) / kIn;
  const std::int64_t width = round_up(rows, kLanes);
  bool finite = true;
  for (std::int64_t i = 0; i < rows; ++i) {
    finite &= convert_row(row_at(i), dtype, dim, room + i * ld);
    std::fill_n(room + i * ld + dim / kIn, padding, Factor{});
  }
  std::fill(room + rows * ld, room + width * ld, Factor{});
  transpose(room, ld, width, dim / kIn, columns, kPanelRows);
  return finite;
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
