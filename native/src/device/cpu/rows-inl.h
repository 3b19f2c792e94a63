// SPDX-License-Identifier: Apache-2.0
// Rows of queries and keys as operands: in place, or packed.
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

// Whether rows of x can be read in place as whole vectors of the compute type.
template <typename T>
bool lies_as(const Bshd& x, std::int64_t dim) {
  return sizeof(T) == static_cast<std::size_t>(size_of(x.dtype)) && dim % kLanes == 0;
}

// Whether rows of x can be read in place, operand by operand.
template <typename Operand>
bool usable_one_by_one(const Bshd& x) {
  return kIsPair<Operand> ? x.row_stride % kTerms<Operand> == 0
                          : sizeof(Accumulator<Operand>) == static_cast<std::size_t>(size_of(x.dtype));
}

// The same for whole vectors. Only numbers can be, because pairs would be along the wrong dimension.
template <typename Operand>
bool usable_as_vectors(const Bshd& x, std::int64_t dim) {
  return !kIsPair<Operand> && lies_as<Accumulator<Operand>>(x, dim);
}

template <typename Operand>
Rows<Operand> where_it_lies(const Bshd& x, std::int64_t b, std::int64_t row, std::int64_t head) {
  return {reinterpret_cast<Operand*>(x.at(b, row, head)), x.row_stride / kTerms<Operand>};
}

// Packs a panel as columns[d, row], with terms along d, and its rows as room[row, packed d]. Both are zero-padded to whole
// vectors. row_at(i) is the address of row i. True if all elements are finite.
template <typename Operand, typename RowAt>
HWY_INLINE bool pack_columns(std::int64_t rows, std::int64_t dim, DType dtype, const RowAt& row_at,
                             Operand* room, Operand* columns) {
  constexpr int kIn = kTerms<Operand>;
  const std::int64_t ld = packed_dim(dim) / kIn;
  const std::int64_t padding = (round_up(dim, kLanes) - dim) / kIn;
  const std::int64_t width = round_up(rows, kLanes);
  bool finite = true;
  for (std::int64_t i = 0; i < rows; ++i) {
    finite &= convert_row(row_at(i), dtype, dim, room + i * ld);
    std::fill_n(room + i * ld + dim / kIn, padding, Operand{});
  }
  std::fill(room + rows * ld, room + width * ld, Operand{});
  transpose(room, ld, width, dim / kIn, columns, kPanelRows);
  return finite;
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
