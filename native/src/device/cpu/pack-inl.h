// SPDX-License-Identifier: Apache-2.0
// Rows of tensors of any dtype and stride, converted into contiguous tiles.
#if defined(LVX_PACK_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_PACK_INL_H
#undef LVX_PACK_INL_H
#else
#define LVX_PACK_INL_H
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "attention/elements.h"
#include "attention/views.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> load_converted(D d, const float* source) {
  return hn::LoadU(d, source);
}
template <class D>
HWY_INLINE hn::Vec<D> load_converted(D d, const double* source) {
  return hn::LoadU(d, source);
}
template <class D>
HWY_INLINE hn::Vec<D> load_converted(D d, const BFloat16* source) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::RebindToUnsigned<D> d32;
  const auto bits = hn::PromoteTo(d32, hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(source)));
  return hn::BitCast(d, hn::ShiftLeft<16>(bits));
}
// As to_float(Float16), lane by lane.
template <class D>
HWY_INLINE hn::Vec<D> load_converted(D d, const Float16* source) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::RebindToUnsigned<D> d32;
  const auto bits = hn::PromoteTo(d32, hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(source)));
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(d32, 0x8000u)));
  const auto magnitude = hn::ShiftLeft<13>(hn::And(bits, hn::Set(d32, 0x7fffu)));
  const auto finite = hn::BitCast(d32, hn::Mul(hn::BitCast(d, magnitude), hn::Set(d, 0x1p112f)));
  const auto special = hn::Or(magnitude, hn::Set(d32, 0x7f800000u));
  const auto is_special = hn::Gt(magnitude, hn::Set(d32, (0x7c00u << 13) - 1u));
  return hn::BitCast(d, hn::Or(hn::IfThenElse(is_special, special, finite), sign));
}

// Converts count elements; true if all are finite.
template <typename T, typename Element>
HWY_INLINE bool convert_row(const Element* HWY_RESTRICT source, std::int64_t count, T* HWY_RESTRICT row) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto zeros = hn::Zero(d);  // NaN once something was not finite
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto x = load_converted(d, source + i);
    hn::StoreU(x, d, row + i);
    zeros = hn::MulAdd(x, hn::Zero(d), zeros);
  }
  bool finite = hn::AllTrue(d, hn::Eq(zeros, hn::Zero(d)));
  for (; i < count; ++i) {
    row[i] = from_element<T>(source[i]);
    finite = finite && std::isfinite(row[i]);
  }
  return finite;
}

// float64 is computed in double, everything else in float.
template <typename T>
HWY_INLINE bool convert_row(const std::byte* source, DType dtype, std::int64_t count, T* row) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return convert_row(reinterpret_cast<const double*>(source), count, row);
  } else {
    switch (dtype) {
      case DType::kBFloat16:
        return convert_row(reinterpret_cast<const BFloat16*>(source), count, row);
      case DType::kFloat16:
        return convert_row(reinterpret_cast<const Float16*>(source), count, row);
      default:
        return convert_row(reinterpret_cast<const float*>(source), count, row);
    }
  }
}

// tile[i * ld + d] = x[b, row + i, head, d]; true if all are finite.
template <typename T>
HWY_INLINE bool pack_rows(const Bshd& x, std::int64_t b, std::int64_t head, std::int64_t row,
                          std::int64_t rows, std::int64_t dim, T* tile, std::int64_t ld) {
  bool finite = true;
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::byte* source = x.at(b, row + i, head);
    finite &= convert_row(source, x.dtype, dim, tile + i * ld);
  }
  return finite;
}

// columns[d * ld + i] = tile[i * tile_ld + d], zeros up to width.
template <typename T>
HWY_INLINE void transpose(const T* HWY_RESTRICT tile, std::int64_t tile_ld, std::int64_t rows,
                          std::int64_t dim, std::int64_t width, T* HWY_RESTRICT columns, std::int64_t ld) {
  for (std::int64_t d = 0; d < dim; ++d) {
    T* column = columns + d * ld;
    for (std::int64_t i = 0; i < rows; ++i) column[i] = tile[i * tile_ld + d];
    for (std::int64_t i = rows; i < width; ++i) column[i] = T{0};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
