// SPDX-License-Identifier: Apache-2.0
// Softmax on tiles of logits that have a query row per vector lane, so that nothing is reduced across lanes.
// Weights are written as operands: numbers replace the logits, pairs have a tile of their own.
#if defined(LVX_SOFTMAX_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_SOFTMAX_INL_H
#undef LVX_SOFTMAX_INL_H
#else
#define LVX_SOFTMAX_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <limits>

#include "device/cpu/blocking.h"
#include "device/cpu/exp-inl.h"
#include "device/cpu/operand-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// s + mask; -inf where the mask is -inf, even if s is NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V masked(D d, V s, V mask) {
  const V hidden = hn::Set(d, -std::numeric_limits<hn::TFromD<D>>::infinity());
  return hn::IfThenElse(hn::Eq(mask, hidden), hidden, hn::Add(s, mask));
}

// The running state of a panel's rows. Sums have the factor kOfWeights, as weights have.
template <typename T>
struct RunningSoftmax {
  T max[kPanelRows];
  T sum[kPanelRows];
  T factor[kPanelRows];   // rescales earlier sums to the maximum after the last tile
  T rounded[kPanelRows];  // the sum of the rounded weights, if weights are rounded
};

template <class D>
struct Totals {
  hn::Vec<D> exact, rounded;
};

// s[key] = kOfWeights exp(s[key] - base) for one vector of rows. Uses four independent sums; a single one would be a chain of
// dependent operations.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE Totals<D> weigh(D d, std::int64_t keys, hn::Vec<D> base, T* s, T* /*weights*/) {
  hn::Vec<D> sum[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  const auto one = [&](std::int64_t key, hn::Vec<D>& running) HWY_ATTR {
    T* at = s + key * kPanelRows;
    const hn::Vec<D> weight = scaled_weight(d, hn::Sub(hn::LoadU(d, at), base));
    hn::StoreU(weight, d, at);
    running = hn::Add(running, weight);
  };
  std::int64_t key = 0;
  for (; key + 4 <= keys; key += 4) {
    for (int i = 0; i < 4; ++i) one(key + i, sum[i]);
  }
  for (; key < keys; ++key) one(key, sum[0]);
  const hn::Vec<D> total = hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]));
  return {total, total};
}

#if LVX_MULTIPLIES_PAIRS
// weights[pair of keys] = kOfWeights exp(s[key] - base), rounded. With an odd number of keys, the last pair contains a 0.
template <class D>
HWY_INLINE Totals<D> weigh(D d, std::int64_t keys, hn::Vec<D> base, const float* s, BFloat16Pair* weights) {
  using V = hn::Vec<D>;
  const hn::ScalableTag<std::uint32_t> d32;
  const Pairs ones = hn::Set(d32, 0x3f803f80u);
  V sum[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  V rounded[2] = {hn::Zero(d), hn::Zero(d)};
  const auto weight_of = [&](std::int64_t key, V& running) HWY_ATTR {
    const V weight = scaled_weight(d, hn::Sub(hn::LoadU(d, s + key * kPanelRows), base));
    running = hn::Add(running, weight);
    return weight;
  };
  const auto put = [&](std::int64_t key, V first, V second, V& running) HWY_ATTR {
    const Pairs pairs = pair_up(round_to_bfloat16(first, second));
    hn::StoreU(pairs, d32, reinterpret_cast<std::uint32_t*>(weights + key / 2 * kPanelRows));
    running = multiply_add(pairs, ones, running);
  };
  std::int64_t key = 0;
  for (; key + 4 <= keys; key += 4) {
    for (int i = 0; i < 4; i += 2) {
      const V first = weight_of(key + i, sum[i]);
      put(key + i, first, weight_of(key + i + 1, sum[i + 1]), rounded[i / 2]);
    }
  }
  for (; key < keys; key += 2) {
    const V first = weight_of(key, sum[0]);
    put(key, first, key + 1 < keys ? weight_of(key + 1, sum[1]) : hn::Zero(d), rounded[0]);
  }
  return {hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3])), hn::Add(rounded[0], rounded[1])};
}
#endif

// s[key, row]: logits in. weights: kOfWeights exp(logit - running maximum) out. Uses four independent maxima, for the same
// reason as the sums.
template <bool kMasked, typename Operand, typename T = Accumulator<Operand>>
HWY_INLINE void online_softmax_as(std::int64_t rows, std::int64_t keys, const T* mask, T* s, Operand* weights,
                                  RunningSoftmax<T>& state) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const V lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  for (std::int64_t row = 0; row < rows; row += lanes) {
    const V before = hn::LoadU(d, state.max + row);
    V max[4] = {before, before, before, before};
    const auto see = [&](std::int64_t key, V& running) HWY_ATTR {
      T* at = s + key * kPanelRows + row;
      V x = hn::LoadU(d, at);
      if (kMasked) {
        x = masked(d, x, hn::LoadU(d, mask + key * kPanelRows + row));
        hn::StoreU(x, d, at);
      }
      running = hn::Max(running, x);
    };
    std::int64_t key = 0;
    for (; key + 4 <= keys; key += 4) {
      for (int i = 0; i < 4; ++i) see(key + i, max[i]);
    }
    for (; key < keys; ++key) see(key, max[0]);
    const V highest = hn::Max(hn::Max(max[0], max[1]), hn::Max(max[2], max[3]));
    // Rows that have seen no key yet keep the maximum -inf. Subtracting 0 instead of it makes their weights exp(-inf) = 0.
    const V base = hn::IfThenZeroElse(hn::Eq(highest, lowest), highest);
    const V factor = exp_nonpositive(d, hn::Sub(before, base));
    const auto total = weigh(d, keys, base, s + row, weights + row);
    hn::StoreU(highest, d, state.max + row);
    hn::StoreU(factor, d, state.factor + row);
    hn::StoreU(hn::MulAdd(hn::LoadU(d, state.sum + row), factor, total.exact), d, state.sum + row);
    if constexpr (kIsPair<Operand>) {
      hn::StoreU(hn::MulAdd(hn::LoadU(d, state.rounded + row), factor, total.rounded), d,
                 state.rounded + row);
    }
  }
}

template <typename Operand, typename T = Accumulator<Operand>>
HWY_NOINLINE void online_softmax(std::int64_t rows, std::int64_t keys, const T* mask, T* s, Operand* weights,
                                 RunningSoftmax<T>& state) {
  if (mask == nullptr) {
    online_softmax_as<false>(rows, keys, mask, s, weights, state);
  } else {
    online_softmax_as<true>(rows, keys, mask, s, weights, state);
  }
}

// A tile of backward. If operands are numbers, weights and gradients overwrite s and dp.
template <typename Operand>
struct WeightTile {
  Accumulator<Operand>*s, *dp;  // [key, panel row]: logits and gradients of the weights
  Operand *p, *ds;              // [key, panel row]: weights and gradients of the logits
  Operand* ds_by_keys;          // [key, panel row], terms along keys
  bool keeps_ds;                // whether ds is written to dp even if ds has its own tile
};

#if LVX_MULTIPLIES_PAIRS
// The rounded lanes of two keys, as pairs of adjacent rows.
HWY_INLINE void store_by_rows(hn::Vec<hn::ScalableTag<std::uint16_t>> keys, BFloat16Pair* first, bool both) {
  const hn::Half<hn::ScalableTag<std::uint16_t>> half;
  hn::StoreU(hn::LowerHalf(half, keys), half, reinterpret_cast<std::uint16_t*>(first));
  if (!both) return;
  hn::StoreU(hn::UpperHalf(half, keys), half, reinterpret_cast<std::uint16_t*>(first + kPanelRows / 2));
}
#endif

// A panel's rows in backward.
template <typename T>
struct RowStatistics {
  const T *lse, *delta;
  const T* only;  // threshold of s - lse: at or above it, the row sees only this key
};

// p = exp(s - lse), ds = p (dp - delta); ds = 0 where p = 0, even if dp is NaN. lse is +inf for rows that see no key.
// If a row sees a single key, dp and delta are the same number, summed in different orders. ds is then 0, unless they are
// not finite.
template <bool kMasked, typename Operand, typename T = Accumulator<Operand>>
HWY_INLINE void softmax_gradient_as(std::int64_t rows, std::int64_t keys, const T* mask,
                                    const RowStatistics<T>& factors, const WeightTile<Operand>& tile) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t row = 0; row < rows; row += lanes) {
    const V base = hn::LoadU(d, factors.lse + row);
    const V shift = hn::LoadU(d, factors.delta + row);
    const V only = hn::LoadU(d, factors.only + row);
    const auto log_weight_of = [&](std::int64_t key) HWY_ATTR {
      V x = hn::LoadU(d, tile.s + key * kPanelRows + row);
      if (kMasked) x = masked(d, x, hn::LoadU(d, mask + key * kPanelRows + row));
      return hn::Sub(x, base);
    };
    const auto gradient_of = [&](std::int64_t key, V log_weight, V weight) HWY_ATTR {
      const V dp = hn::LoadU(d, tile.dp + key * kPanelRows + row);
      const V changes = hn::IfThenZeroElse(hn::Ge(log_weight, only), weight);
      return hn::IfThenZeroElse(hn::Eq(weight, hn::Zero(d)), hn::Mul(changes, hn::Sub(dp, shift)));
    };
    if constexpr (!kIsPair<Operand>) {
      for (std::int64_t key = 0; key < keys; ++key) {
        const V log_weight = log_weight_of(key);
        const V weight = exp_nonpositive(d, log_weight);
        hn::StoreU(gradient_of(key, log_weight, weight), d, tile.ds + key * kPanelRows + row);
        hn::StoreU(weight, d, tile.p + key * kPanelRows + row);
      }
    } else {
#if LVX_MULTIPLIES_PAIRS
      const auto put = [&](std::int64_t key, bool both) HWY_ATTR {
        const V x[2] = {log_weight_of(key), both ? log_weight_of(key + 1) : hn::Zero(d)};
        const V p[2] = {exp_nonpositive(d, x[0]), both ? exp_nonpositive(d, x[1]) : hn::Zero(d)};
        const V ds[2] = {gradient_of(key, x[0], p[0]), both ? gradient_of(key + 1, x[1], p[1]) : hn::Zero(d)};
        const std::int64_t by_rows = (key * kPanelRows + row) / 2;
        store_by_rows(round_to_bfloat16(p[0], p[1]), tile.p + by_rows, both);
        const auto rounded = round_to_bfloat16(ds[0], ds[1]);
        store_by_rows(rounded, tile.ds + by_rows, both);
        hn::StoreU(pair_up(rounded), hn::ScalableTag<std::uint32_t>(),
                   reinterpret_cast<std::uint32_t*>(tile.ds_by_keys + key / 2 * kPanelRows + row));
        if (!tile.keeps_ds) return;
        hn::StoreU(ds[0], d, tile.dp + key * kPanelRows + row);
        if (both) hn::StoreU(ds[1], d, tile.dp + (key + 1) * kPanelRows + row);
      };
      std::int64_t key = 0;
      for (; key + 2 <= keys; key += 2) put(key, true);
      if (key < keys) put(key, false);
#endif
    }
  }
}

template <typename Operand, typename T = Accumulator<Operand>>
HWY_NOINLINE void softmax_gradient(std::int64_t rows, std::int64_t keys, const T* mask,
                                   const RowStatistics<T>& factors, const WeightTile<Operand>& tile) {
  if (mask == nullptr) {
    softmax_gradient_as<false>(rows, keys, mask, factors, tile);
  } else {
    softmax_gradient_as<true>(rows, keys, mask, factors, tile);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
