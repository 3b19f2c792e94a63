// SPDX-License-Identifier: Apache-2.0
// Rows of bfloat16 as pairs: of adjacent elements of a row, as in memory, or of two adjacent rows.
#if defined(LVX_PAIRS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_PAIRS_INL_H
#undef LVX_PAIRS_INL_H
#else
#define LVX_PAIRS_INL_H
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "device/cpu/blocking.h"
#include "device/cpu/operand-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {
#if LVX_MULTIPLIES_PAIRS

// Tracks whether all pairs so far were finite.
class FinitePairs {
 public:
  HWY_INLINE FinitePairs() : carries_(hn::Zero(Whole())) {}

  template <class D>
  HWY_INLINE void see(D d, hn::Vec<D> pairs) {
    // Adding 1 to an all-ones exponent carries into the sign bit; to others it does not.
    const auto exponents = hn::And(pairs, hn::Set(d, 0x7f807f80u));
    const auto carries = hn::And(hn::Add(exponents, hn::Set(d, 0x00800080u)), hn::Set(d, 0x80008000u));
    if constexpr (hn::MaxLanes(D()) == hn::MaxLanes(Whole())) {
      carries_ = hn::Or(carries_, carries);
    } else {
      rest_ = rest_ && hn::AllTrue(d, hn::Eq(carries, hn::Zero(d)));
    }
  }
  HWY_INLINE bool all() const { return rest_ && hn::AllTrue(Whole(), hn::Eq(carries_, hn::Zero(Whole()))); }

 private:
  using Whole = hn::ScalableTag<std::uint32_t>;
  Pairs carries_;
  bool rest_ = true;
};

// Copies count elements of a row. True if all are finite.
HWY_INLINE bool copy_pairs(const std::byte* source, std::int64_t count, BFloat16Pair* row) {
  const hn::ScalableTag<std::uint32_t> d;
  const hn::CappedTag<std::uint32_t, 4> d4;  // head_dim is a multiple of 8
  const std::int64_t pairs = count / 2;
  const auto* from = reinterpret_cast<const std::uint32_t*>(source);
  auto* to = reinterpret_cast<std::uint32_t*>(row);
  FinitePairs finite;
  const auto copy = [&](auto tag, std::int64_t at) HWY_ATTR {
    const auto some = hn::LoadU(tag, from + at);
    finite.see(tag, some);
    hn::StoreU(some, tag, to + at);
  };
  std::int64_t i = 0;
  for (; i + kLanes <= pairs; i += kLanes) copy(d, i);
  for (; i < pairs; i += 4) copy(d4, i);
  return finite.all();
}

template <class D>
HWY_INLINE hn::Vec<D> pairs_of_rows(D d, const std::uint16_t* first, const std::uint16_t* second) {
  const hn::Rebind<std::uint16_t, D> d16;
  const auto low = hn::PromoteTo(d, hn::LoadU(d16, first));
  return hn::Or(low, hn::ShiftLeft<16>(hn::PromoteTo(d, hn::LoadU(d16, second))));
}

// tile[i / 2 * ld + d] = elements d of rows i and i + 1, zero-padded beyond the last row and to whole vectors. True if all
// elements are finite. row_at(i) is the address of row i.
template <typename RowAt>
HWY_INLINE bool pack_pairs_of_rows(std::int64_t rows, std::int64_t dim, const RowAt& row_at,
                                   BFloat16Pair* tile, std::int64_t ld) {
  static constexpr std::uint16_t kZeros[kMaxHeadDim] = {};
  const hn::ScalableTag<std::uint32_t> d;
  const hn::Half<decltype(d)> half;
  constexpr std::int64_t kHalf = kLanes / 2;
  FinitePairs finite;
  for (std::int64_t i = 0; i < rows; i += 2) {
    const auto* first = reinterpret_cast<const std::uint16_t*>(row_at(i));
    const auto* second = i + 1 < rows ? reinterpret_cast<const std::uint16_t*>(row_at(i + 1)) : kZeros;
    auto* out = reinterpret_cast<std::uint32_t*>(tile + i / 2 * ld);
    const auto pack = [&](auto tag, std::int64_t at) HWY_ATTR {
      const auto pairs = pairs_of_rows(tag, first + at, second + at);
      finite.see(tag, pairs);
      hn::StoreU(pairs, tag, out + at);
    };
    std::int64_t at = 0;
    for (; at + kLanes <= dim; at += kLanes) pack(d, at);
    if (at < dim) {
      pack(half, at);
      hn::StoreU(hn::Zero(half), half, out + at + kHalf);
    }
  }
  return finite.all();
}

#endif
}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
