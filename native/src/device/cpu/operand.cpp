// SPDX-License-Identifier: Apache-2.0
#define HWY_DISABLED_TARGETS HWY_SSSE3  // as the kernels
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "device/cpu/operand.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "device/cpu/instruction_set.h"
#include "device/cpu/operand-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {

bool has_pairs() {
#if LVX_MULTIPLIES_PAIRS
  static const bool has = __builtin_cpu_supports("avx512bf16");
  return has;
#else
  return false;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lvx {

HWY_EXPORT(has_pairs);

bool multiplies_pairs() { return pairs_allowed() && HWY_DYNAMIC_DISPATCH(has_pairs)(); }

}  // namespace lvx
#endif
