// SPDX-License-Identifier: Apache-2.0
// exp by range reduction and a polynomial, for the arguments of softmax. The relative error is below 3e-7 in float (5e-7 for
// x < -40, where a softmax weight is negligible) and below 2e-14 in double (1e-15 for x > -30).
#if defined(LVX_EXP_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_EXP_INL_H
#undef LVX_EXP_INL_H
#else
#define LVX_EXP_INL_H
#endif

#include <hwy/highway.h>

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float kLowest = -87.0f;
  static constexpr float kLowestWeight = -79.5f;
  static constexpr float kOfWeights = 0x1p-11f;
  static constexpr float kRound = 0x1.8p23f;  // x + kRound has the nearest integer of x in its low bits
  static constexpr int kMantissaBits = 23;
  // Minimax polynomial of exp on [-ln2/2, ln2/2], constrained to be exact at 0.
  static constexpr float kTerms[] = {
      1.0f, 1.0f, 0.499992311000824f, 0.16667114198207855f, 0.04189011827111244f, 0.008312524296343327f};
};

template <>
struct ExpConstants<double> {
  static constexpr double kLowest = -708.0;
  static constexpr double kLowestWeight = kLowest;
  static constexpr double kOfWeights = 1;
  static constexpr double kRound = 0x1.8p52;
  static constexpr int kMantissaBits = 52;
  // Taylor: the first term left out is below 5e-18.
  static constexpr double kTerms[] = {1.0,
                                      1.0,
                                      1.0 / 2,
                                      1.0 / 6,
                                      1.0 / 24,
                                      1.0 / 120,
                                      1.0 / 720,
                                      1.0 / 5040,
                                      1.0 / 40320,
                                      1.0 / 362880,
                                      1.0 / 3628800,
                                      1.0 / 39916800,
                                      1.0 / 479001600,
                                      1.0 / 6227020800};
};

// exp(x) = 2^n exp(r) with r = x - n ln 2 in [-ln2/2, ln2/2]. n is small, so one ln 2 in T's precision and a fused
// multiply-subtract suffice. For x from lowest to some tens; NaN for NaN. times: a power of two that scales the result exactly.
template <class D, class V = hn::Vec<D>, typename T = hn::TFromD<D>>
HWY_INLINE V exp_in_range(D d, V x, T times) {
  using Constants = ExpConstants<T>;
  const hn::RebindToUnsigned<D> bits;
  const V round = hn::Set(d, Constants::kRound);
  const V shifted = hn::MulAdd(x, hn::Set(d, static_cast<T>(1.4426950408889634)), round);
  const V r = hn::NegMulAdd(hn::Sub(shifted, round), hn::Set(d, static_cast<T>(0.6931471805599453)), x);
  constexpr int kCount = static_cast<int>(sizeof(Constants::kTerms) / sizeof(T));
  V y = hn::Set(d, times * Constants::kTerms[kCount - 1]);
  for (int i = kCount - 2; i >= 0; --i) y = hn::MulAdd(y, r, hn::Set(d, times * Constants::kTerms[i]));
  const auto exponent = hn::ShiftLeft<Constants::kMantissaBits>(hn::BitCast(bits, shifted));
  return hn::BitCast(d, hn::Add(hn::BitCast(bits, y), exponent));
}

// exp(x) for x <= 0 up to rounding; exactly 0 below the smallest normal number and for -inf, exactly 1 for 0.
template <class D, class V = hn::Vec<D>, typename T = hn::TFromD<D>>
HWY_INLINE V exp_nonpositive(D d, V x) {
  const V lowest = hn::Set(d, ExpConstants<T>::kLowest);
  return hn::IfThenZeroElse(hn::Lt(x, lowest), exp_in_range(d, x, T{1}));
}

// A weight of forward: kOfWeights exp(x). The factor keeps a group's weighted sum from exceeding the group's largest value,
// so that the sum overflows only if that value does.
template <typename T>
constexpr T kOfWeights = ExpConstants<T>::kOfWeights;

template <class D, class V = hn::Vec<D>, typename T = hn::TFromD<D>>
HWY_INLINE V scaled_weight(D d, V x) {
  const V lowest = hn::Set(d, ExpConstants<T>::kLowestWeight);
  return hn::IfThenZeroElse(hn::Lt(x, lowest), exp_in_range(d, x, kOfWeights<T>));
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
