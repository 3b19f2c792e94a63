// SPDX-License-Identifier: Apache-2.0
// Vectors of operands: loads and products.
#if defined(LVX_FACTOR_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_FACTOR_INL_H
#undef LVX_FACTOR_INL_H
#else
#define LVX_FACTOR_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

#include "device/cpu/operand.h"

// Whether the target instruction set may have products of pairs.
#define LVX_MULTIPLIES_PAIRS (HWY_TARGET <= HWY_AVX3)

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A vector of operands with one operand for each accumulator lane of D.
template <class D>
HWY_INLINE hn::Vec<D> load_operands(D d, const hn::TFromD<D>* at) {
  return hn::LoadU(d, at);
}
template <class D>
HWY_INLINE hn::Vec<D> broadcast_operand(D d, const hn::TFromD<D>* at) {
  return hn::Set(d, *at);
}
template <class V>
HWY_INLINE V multiply_add(V a, V b, V sum) {
  return hn::MulAdd(a, b, sum);
}

// One element as the vectors compute it: rounded once where the instruction set has FMA, whatever the compiler contracts.
template <typename T>
HWY_INLINE T multiply_add_one(T a, T b, T sum) {
  const hn::CappedTag<T, 1> d;
  return hn::GetLane(hn::MulAdd(hn::Set(d, a), hn::Set(d, b), hn::Set(d, sum)));
}

// sum + a b, with 0 * x = 0 for every x.
template <typename T>
HWY_INLINE T add_skipping_zeros(T a, T b, T sum) {
  return a != T{0} && b != T{0} ? multiply_add_one(a, b, sum) : sum;
}
HWY_INLINE float add_skipping_zeros(BFloat16Pair a, BFloat16Pair b, float sum) {
  sum = add_skipping_zeros(to_float(a.first), to_float(b.first), sum);
  return add_skipping_zeros(to_float(a.second), to_float(b.second), sum);
}

#if LVX_MULTIPLIES_PAIRS
// Inline assembly, because Highway has no operation for these instructions yet. They flush subnormal numbers to 0.
using Pairs = hn::Vec<hn::ScalableTag<std::uint32_t>>;
using PairSums = hn::Vec<hn::ScalableTag<float>>;

template <class D>
HWY_INLINE Pairs load_operands(D /*d*/, const BFloat16Pair* at) {
  return hn::LoadU(hn::ScalableTag<std::uint32_t>(), reinterpret_cast<const std::uint32_t*>(at));
}
template <class D>
HWY_INLINE Pairs broadcast_operand(D /*d*/, const BFloat16Pair* at) {
  std::uint32_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return hn::Set(hn::ScalableTag<std::uint32_t>(), bits);
}
HWY_INLINE PairSums multiply_add(Pairs a, Pairs b, PairSums sum) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
  return sum;
}

// low and high rounded to nearest even; low comes first.
HWY_INLINE hn::Vec<hn::ScalableTag<std::uint16_t>> round_to_bfloat16(PairSums low, PairSums high) {
  hn::Vec<hn::ScalableTag<std::uint16_t>> rounded;
  asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(rounded.raw) : "v"(high.raw), "v"(low.raw));
  return rounded;
}

// Pairs each lane of low with that of high; takes the result of round_to_bfloat16.
HWY_INLINE Pairs pair_up(hn::Vec<hn::ScalableTag<std::uint16_t>> low_then_high) {
  alignas(64) static constexpr std::uint16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                           21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                           11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const hn::ScalableTag<std::uint16_t> d;
  return {_mm512_permutexvar_epi16(hn::Load(d, kOrder).raw, low_then_high.raw)};
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
