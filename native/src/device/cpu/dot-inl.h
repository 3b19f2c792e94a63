// SPDX-License-Identifier: Apache-2.0
// Dot products of a few query rows with rows of keys, vectorised along head_dim, without padding rows. The cheapest method
// if there are too few query rows to fill a vector.
#if defined(LVX_DOT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_DOT_INL_H
#undef LVX_DOT_INL_H
#else
#define LVX_DOT_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <type_traits>

#include "device/cpu/pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Rows of k or v of one head.
template <typename Element>
struct KeyRows {
  const Element* data = nullptr;
  std::int64_t stride = 0;

  const Element* at(std::int64_t key) const { return data + key * stride; }
  KeyRows from(std::int64_t key) const { return {at(key), stride}; }
};

// Memory to prefetch during a computation: as many bytes as the computation reads.
template <typename Element>
struct Ahead {
  const Element* data;

  // Prefetches the share of elements [at, at + count).
  HWY_INLINE void prefetch(std::int64_t at, std::int64_t count) const {
    constexpr std::int64_t kLine = 64 / sizeof(Element);
    for (std::int64_t i = 0; i < count; i += kLine) __builtin_prefetch(data + at + i);
  }
};

// A substitute that prefetches nothing.
struct NothingAhead {
  HWY_INLINE void prefetch(std::int64_t /*at*/, std::int64_t /*count*/) const {}
};

constexpr int kDotRows = HWY_TARGET <= HWY_AVX3 ? 4 : 2;  // 4 x 4 sums need 21 registers
constexpr int kDotKeys = 4;

// Calls visit(constant, row) for rows [row, row + constant): kDotRows at a time, then all remaining rows at once.
template <int kRows = kDotRows, typename Visit>
HWY_INLINE void for_row_blocks(std::int64_t rows, const Visit& visit, std::int64_t row = 0) {
  for (; row + kRows <= rows; row += kRows) visit(std::integral_constant<int, kRows>(), row);
  if constexpr (kRows > 1) for_row_blocks<kRows - 1>(rows, visit, row);
}

// Calls visit(constant, key) for keys [key, key + constant), kKeys at a time and then one by one.
template <int kKeys = kDotKeys, typename Visit>
HWY_INLINE void for_key_groups(std::int64_t keys, const Visit& visit) {
  std::int64_t key = 0;
  for (; key + kKeys <= keys; key += kKeys) visit(std::integral_constant<int, kKeys>(), key);
  for (; key < keys; ++key) visit(std::integral_constant<int, 1>(), key);
}

#if HWY_TARGET != HWY_SCALAR
// The sum of a vector's 128-bit blocks.
template <class D, class V = hn::Vec<D>>
HWY_INLINE auto sum_of_blocks([[maybe_unused]] D d, V v) {
  if constexpr (hn::MaxLanes(D()) * sizeof(hn::TFromD<D>) == 16) {
    return v;
  } else {
    const hn::Half<D> half;
    return sum_of_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}
#endif

// scale times the lane sums of four vectors. Reducing them together takes a third of the instructions of four separate
// reductions.
template <class D, class V = hn::Vec<D>, typename T = hn::TFromD<D>>
HWY_INLINE void sums_of_lanes(D d, V v0, V v1, V v2, V v3, T scale, T* HWY_RESTRICT sums) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (sizeof(T) == 4) {
    const hn::RepartitionToWide<hn::RebindToUnsigned<D>> pairs;
    const auto pair_up = [&](V a, V b) HWY_ATTR {  // in each block: a0 + a2, b0 + b2, a1 + a3, b1 + b3
      return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
    };
    const auto left = hn::BitCast(pairs, pair_up(v0, v1));
    const auto right = hn::BitCast(pairs, pair_up(v2, v3));
    const V blocks = hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, left, right)),
                             hn::BitCast(d, hn::InterleaveUpper(pairs, left, right)));
    const hn::Full128<T> d4;
    hn::StoreU(hn::Mul(sum_of_blocks(d, blocks), hn::Set(d4, scale)), d4, sums);
    return;
  }
#endif
  sums[0] = scale * hn::GetLane(hn::SumOfLanes(d, v0));
  sums[1] = scale * hn::GetLane(hn::SumOfLanes(d, v1));
  sums[2] = scale * hn::GetLane(hn::SumOfLanes(d, v2));
  sums[3] = scale * hn::GetLane(hn::SumOfLanes(d, v3));
}

// The last 8 elements of a row, padded with zeros.
template <class D, typename Element>
HWY_INLINE hn::Vec<D> load_last(D d, const Element* source) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) > 8) {
    return hn::ZeroExtendVector(d, load_converted(hn::Half<D>(), source));
  }
#endif
  return load_converted(d, source);
}

// s[i * ld + j] = scale * q[i] . k[j] for kRows rows and kKeys keys. q is zero-padded to whole vectors.
template <int kRows, int kKeys, typename T, typename Element, typename Later>
HWY_INLINE void dot_block(const T* HWY_RESTRICT q, std::int64_t packed, KeyRows<Element> k, Later later,
                          std::int64_t dim, T scale, T* HWY_RESTRICT s, std::int64_t ld) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V sum[kRows][kKeys];
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kKeys; ++j) sum[i][j] = hn::Zero(d);
  }
  V key[kKeys];
  const auto add = [&](std::int64_t at) HWY_ATTR {
    for (int i = 0; i < kRows; ++i) {
      const V query = hn::LoadU(d, q + i * packed + at);
      for (int j = 0; j < kKeys; ++j) sum[i][j] = hn::MulAdd(query, key[j], sum[i][j]);
    }
  };
  std::int64_t at = 0;
  for (; at + lanes <= dim; at += lanes) {
    for (int j = 0; j < kKeys; ++j) key[j] = load_converted(d, k.at(j) + at);
    later.prefetch(at * kKeys, lanes * kKeys);
    add(at);
  }
  if (at < dim) {
    for (int j = 0; j < kKeys; ++j) key[j] = load_last(d, k.at(j) + at);
    add(at);
  }
  for (int i = 0; i < kRows; ++i) {
    if constexpr (kKeys == 4) {
      sums_of_lanes(d, sum[i][0], sum[i][1], sum[i][2], sum[i][3], scale, s + i * ld);
    } else {
      for (int j = 0; j < kKeys; ++j) s[i * ld + j] = scale * hn::GetLane(hn::SumOfLanes(d, sum[i][j]));
    }
  }
}

// The number of query rows that remain after whole vectors and are cheaper as dot products than as one more vector. Each dot
// product takes head_dim / lanes operations and a reduction, a vector takes head_dim operations. Pairs always use vectors.
template <typename Operand>
std::int64_t rows_left_over(std::int64_t rows, std::int64_t dim) {
  if (kIsPair<Operand>) return 0;
  constexpr std::int64_t kSum = 6;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<Accumulator<Operand>>()));
  const std::int64_t rest = rows % lanes;
  return rest * (dim + kSum * lanes) < dim * lanes ? rest : 0;
}

// c[key * ldc + row] = scale * k[key] . q[row] for a few rows.
template <typename T>
HWY_NOINLINE void dot_products(const KeyRows<T>& k, std::int64_t keys, const T* q, std::int64_t packed,
                               std::int64_t rows, std::int64_t dim, T scale, T* c, std::int64_t ldc) {
  if (rows == 0) return;
  for_key_groups(keys, [&](auto count, std::int64_t key) HWY_ATTR {
    for_row_blocks(rows, [&](auto block, std::int64_t row) HWY_ATTR {
      T s[kDotRows * kDotKeys];
      dot_block<decltype(block)::value, decltype(count)::value>(
          q + row * packed, packed, k.from(key), NothingAhead(), dim, scale, s, std::int64_t{kDotKeys});
      for (int j = 0; j < decltype(count)::value; ++j) {
        for (int i = 0; i < decltype(block)::value; ++i) c[(key + j) * ldc + row + i] = s[i * kDotKeys + j];
      }
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
