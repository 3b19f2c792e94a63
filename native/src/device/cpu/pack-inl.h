// SPDX-License-Identifier: Apache-2.0
// Packs rows of any dtype and stride into contiguous tiles, and unpacks them.
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
#include "device/cpu/blocking.h"
#include "device/cpu/pairs-inl.h"

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
// Vector version of to_float(Float16).
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
  auto zeros = hn::Zero(d);  // NaN after a non-finite element
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

// float64 is computed in double, all other dtypes in float or as pairs.
template <typename T>
HWY_INLINE bool convert_row(const std::byte* source, DType dtype, std::int64_t count, T* row) {
  if constexpr (kIsPair<T>) {
    return copy_pairs(source, count, row);
  } else if constexpr (sizeof(T) == sizeof(double)) {
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

// tile[i * ld + d] = x[b, row + i, head, d], as operands along d; true if all are finite.
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

#if HWY_TARGET != HWY_SCALAR
// Loads four elements of every fourth row, beginning at row: one row per 128-bit block.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_every_fourth_row(D d, const T* row, std::int64_t ld) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, row);
  } else {
    const hn::Half<D> half;
    constexpr std::int64_t kRows = hn::MaxLanes(D()) / 2;
    return hn::Combine(d, load_every_fourth_row(half, row + kRows * ld, ld),
                       load_every_fourth_row(half, row, ld));
  }
}

// columns[j, i] = tile[i, j] for one row per lane, and four columns.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void transpose_four_columns(D d, const T* tile, std::int64_t tile_ld, T* columns,
                                       std::int64_t ld) {
  const hn::RepartitionToWide<D> wide;
  hn::Vec<D> row[4];
  for (int i = 0; i < 4; ++i) row[i] = load_every_fourth_row(d, tile + i * tile_ld, tile_ld);
  const auto low = hn::BitCast(wide, hn::InterleaveLower(d, row[0], row[1]));
  const auto low_rest = hn::BitCast(wide, hn::InterleaveLower(d, row[2], row[3]));
  const auto high = hn::BitCast(wide, hn::InterleaveUpper(d, row[0], row[1]));
  const auto high_rest = hn::BitCast(wide, hn::InterleaveUpper(d, row[2], row[3]));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, low, low_rest)), d, columns);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, low, low_rest)), d, columns + ld);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, high, high_rest)), d, columns + 2 * ld);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, high, high_rest)), d, columns + 3 * ld);
}
#endif

// columns[j * ld + i] = tile[i * tile_ld + j]. The number of rows is a multiple of kLanes, that of columns a multiple of 4.
template <typename T>
HWY_INLINE void transpose(const T* HWY_RESTRICT tile, std::int64_t tile_ld, std::int64_t rows,
                          std::int64_t count, T* HWY_RESTRICT columns, std::int64_t ld) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (sizeof(T) == 4) {
    using Lane = std::conditional_t<kIsPair<T>, std::uint32_t, T>;
    const hn::ScalableTag<Lane> d;
    const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
    const auto* from = reinterpret_cast<const Lane*>(tile);
    auto* to = reinterpret_cast<Lane*>(columns);
    for (std::int64_t i = 0; i < rows; i += lanes) {
      for (std::int64_t j = 0; j < count; j += 4) {
        transpose_four_columns(d, from + i * tile_ld + j, tile_ld, to + j * ld + i, ld);
      }
    }
    return;
  }
#endif
  for (std::int64_t j = 0; j < count; ++j) {
    for (std::int64_t i = 0; i < rows; ++i) columns[j * ld + i] = tile[i * tile_ld + j];
  }
}

// Vector version of to_bfloat16.
template <class D>
HWY_INLINE hn::Vec<hn::Rebind<std::uint16_t, D>> rounded(D /*d*/, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> d32;
  const hn::RebindToSigned<D> signed32;
  const hn::Rebind<std::uint16_t, D> d16;
  const auto bits = hn::BitCast(d32, x);
  const auto top = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(top, hn::Set(d32, 1u));
  const auto nearest = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7fffu))));
  const auto nan = hn::RebindMask(d32, hn::Ne(x, x));
  const auto chosen = hn::IfThenElse(nan, hn::Or(top, hn::Set(d32, 0x40u)), nearest);
  return hn::DemoteTo(d16, hn::BitCast(signed32, chosen));
}

// out[i] = scale * sums[i]. non_temporal: may use non-temporal stores; out is then aligned to cache lines.
template <typename T>
HWY_INLINE void store_scaled(const T* sums, T scale, std::int64_t count, std::byte* out, DType dtype,
                             [[maybe_unused]] bool non_temporal) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (dtype == DType::kBFloat16) {
      BFloat16* elements = reinterpret_cast<BFloat16*>(out);
      [[maybe_unused]] const hn::ScalableTag<T> d;
      const hn::CappedTag<T, 8> d8;  // head_dim is a multiple of 8
      const auto scaled = [&](auto tag, std::int64_t at)
                              HWY_ATTR { return hn::Mul(hn::Set(tag, scale), hn::LoadU(tag, sums + at)); };
      std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
      const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
      const hn::Repartition<std::uint16_t, decltype(d)> d16;
      for (; i + 2 * lanes <= count; i += 2 * lanes) {
        const auto two = hn::Combine(d16, rounded(d, scaled(d, i + lanes)), rounded(d, scaled(d, i)));
        auto* at = reinterpret_cast<std::uint16_t*>(elements + i);
        if (non_temporal) {
          hn::Stream(two, d16, at);
        } else {
          hn::StoreU(two, d16, at);
        }
      }
#endif
      const hn::Rebind<std::uint16_t, decltype(d8)> half16;
      for (; i < count; i += static_cast<std::int64_t>(hn::Lanes(d8))) {
        hn::StoreU(rounded(d8, scaled(d8, i)), half16, reinterpret_cast<std::uint16_t*>(elements + i));
      }
      return;
    }
  }
  T line[kMaxHeadDim];
  for (std::int64_t i = 0; i < count; ++i) line[i] = scale * sums[i];
  store_row(line, count, out, dtype);
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
