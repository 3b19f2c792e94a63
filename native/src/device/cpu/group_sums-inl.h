// SPDX-License-Identifier: Apache-2.0
// Two-level sums over many terms: a group of terms is summed in T, groups are accumulated in float64. The error
// then grows with the size of a group, not with the number of groups.
#if defined(LVX_GROUP_SUMS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_GROUP_SUMS_INL_H
#undef LVX_GROUP_SUMS_INL_H
#else
#define LVX_GROUP_SUMS_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> load_wide(D d, const double* at) {
  return hn::LoadU(d, at);
}
template <class D>
HWY_INLINE hn::Vec<D> load_wide(D d, const float* at) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, D>(), at));
}

// sums = factor * sums + group, or sums = group for the first group. Then clears the group. count: a multiple of 8.
template <typename T>
HWY_NOINLINE void add_group(T* HWY_RESTRICT group, std::int64_t count, bool first, double factor,
                            double* HWY_RESTRICT sums) {
  const hn::ScalableTag<double> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto scale = hn::Set(d, factor);
  for (std::int64_t i = 0; i < count; i += lanes) {
    const auto more = load_wide(d, group + i);
    hn::StoreU(first ? more : hn::MulAdd(hn::LoadU(d, sums + i), scale, more), d, sums + i);
  }
  std::fill_n(group, count, T{0});
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
