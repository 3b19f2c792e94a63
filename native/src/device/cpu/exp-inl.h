// SPDX-License-Identifier: Apache-2.0
// exp(x) for x <= 0 up to rounding, as softmax needs it: exactly 0 below the smallest normal number and for -inf,
// NaN for NaN. Relative error below 2e-7 (float), 4e-16 (double).
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
  static constexpr float kLn2High = 0.693145751953125f;  // few bits: n * kLn2High is exact
  static constexpr float kLn2Low = 1.42860682030941723212e-6f;
  static constexpr int kMantissaBits = 23;
  // Chebyshev fit of exp on [-ln2/2, ln2/2].
  static constexpr float kTerms[] = {1.0f,
                                     1.0f,
                                     0.5f,
                                     0.16666415333747864f,
                                     0.04166635125875473f,
                                     0.008375134319067001f,
                                     0.0013941118959337473f};
};

template <>
struct ExpConstants<double> {
  static constexpr double kLowest = -708.0;
  static constexpr double kLn2High = 6.93147180369123816490e-01;
  static constexpr double kLn2Low = 1.90821492927058770002e-10;
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

template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_nonpositive(D d, V x) {
  using T = hn::TFromD<D>;
  using Constants = ExpConstants<T>;
  const hn::RebindToSigned<D> di;
  const V n = hn::Round(hn::Mul(x, hn::Set(d, static_cast<T>(1.4426950408889634))));
  V r = hn::NegMulAdd(n, hn::Set(d, Constants::kLn2High), x);
  r = hn::NegMulAdd(n, hn::Set(d, Constants::kLn2Low), r);
  constexpr int kCount = static_cast<int>(sizeof(Constants::kTerms) / sizeof(T));
  V y = hn::Set(d, Constants::kTerms[kCount - 1]);
  for (int i = kCount - 2; i >= 0; --i) y = hn::MulAdd(y, r, hn::Set(d, Constants::kTerms[i]));
  const auto exponent = hn::ShiftLeft<Constants::kMantissaBits>(hn::ConvertTo(di, n));
  y = hn::BitCast(d, hn::Add(hn::BitCast(di, y), exponent));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, Constants::kLowest)), y);
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
