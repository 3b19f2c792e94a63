// SPDX-License-Identifier: Apache-2.0
// Softmax on tiles of logits that hold keys along columns and query rows along vectors: no sums across lanes.
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

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// s + mask, or -inf where the mask is -inf, whatever s is.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V masked(D d, V s, V mask) {
  const V hidden = hn::Set(d, -std::numeric_limits<hn::TFromD<D>>::infinity());
  return hn::IfThenElse(hn::Eq(mask, hidden), hidden, hn::Add(s, mask));
}

// The running state of a panel's rows.
template <typename T>
struct RunningSoftmax {
  T max[kPanelRows];
  T sum[kPanelRows];
  T factor[kPanelRows];  // what the last tile scales earlier sums by
};

// s[key, row]: logits in, exp(logit - running maximum) out. Four maxima and four sums side by side: one of each would
// be a chain of dependent operations.
template <bool kMasked, typename T>
HWY_INLINE void online_softmax_as(std::int64_t rows, std::int64_t keys, const T* mask, T* HWY_RESTRICT s,
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
    // Rows that have seen nothing yet keep -inf; subtracting 0 keeps their weights exp(-inf) = 0.
    const V base = hn::IfThenZeroElse(hn::Eq(highest, lowest), highest);
    const V factor = exp_nonpositive(d, hn::Sub(before, base));
    V sum[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    const auto weigh = [&](std::int64_t at_key, V& running) HWY_ATTR {
      T* at = s + at_key * kPanelRows + row;
      const V weight = exp_nonpositive(d, hn::Sub(hn::LoadU(d, at), base));
      hn::StoreU(weight, d, at);
      running = hn::Add(running, weight);
    };
    for (key = 0; key + 4 <= keys; key += 4) {
      for (int i = 0; i < 4; ++i) weigh(key + i, sum[i]);
    }
    for (; key < keys; ++key) weigh(key, sum[0]);
    const V total = hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]));
    hn::StoreU(highest, d, state.max + row);
    hn::StoreU(factor, d, state.factor + row);
    hn::StoreU(hn::MulAdd(hn::LoadU(d, state.sum + row), factor, total), d, state.sum + row);
  }
}

template <typename T>
HWY_NOINLINE void online_softmax(std::int64_t rows, std::int64_t keys, const T* mask, T* HWY_RESTRICT s,
                                 RunningSoftmax<T>& state) {
  if (mask == nullptr) {
    online_softmax_as<false>(rows, keys, mask, s, state);
  } else {
    online_softmax_as<true>(rows, keys, mask, s, state);
  }
}

// s[key, row]: logits in, exp(logit - lse) out; lse is +inf for rows that see nothing.
template <typename T>
HWY_NOINLINE void final_softmax(std::int64_t rows, std::int64_t keys, const T* mask, const T* lse,
                                T* HWY_RESTRICT s) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t row = 0; row < rows; row += lanes) {
    const auto base = hn::LoadU(d, lse + row);
    for (std::int64_t key = 0; key < keys; ++key) {
      T* at = s + key * kPanelRows + row;
      auto x = hn::LoadU(d, at);
      if (mask != nullptr) x = masked(d, x, hn::LoadU(d, mask + key * kPanelRows + row));
      hn::StoreU(exp_nonpositive(d, hn::Sub(x, base)), d, at);
    }
  }
}

// dp[key, row]: p * (dp - delta), and 0 where p is 0, whatever dp is.
template <typename T>
HWY_NOINLINE void softmax_gradient(std::int64_t rows, std::int64_t keys, const T* p, const T* delta,
                                   T* HWY_RESTRICT dp) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t row = 0; row < rows; row += lanes) {
    const auto base = hn::LoadU(d, delta + row);
    for (std::int64_t key = 0; key < keys; ++key) {
      T* at = dp + key * kPanelRows + row;
      const auto weight = hn::LoadU(d, p + key * kPanelRows + row);
      const auto gradient = hn::Mul(weight, hn::Sub(hn::LoadU(d, at), base));
      hn::StoreU(hn::IfThenZeroElse(hn::Eq(weight, hn::Zero(d)), gradient), d, at);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
