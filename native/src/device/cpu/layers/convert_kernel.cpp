// SPDX-License-Identifier: Apache-2.0
#define HWY_DISABLED_TARGETS HWY_SSSE3  // processors without SSE4.1 are too rare for one more build
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "device/cpu/layers/convert_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "device/cpu/layers/convert.h"
#include "device/cpu/pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {

void convert(const std::byte* lines, DType dtype, std::int64_t step, std::int64_t count, std::int64_t length,
             float* to) {
  for (std::int64_t i = 0; i < count; ++i) convert_row(lines + i * step, dtype, length, to + i * length);
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lvx {

HWY_EXPORT(convert);

namespace cpu {

void convert_lines(const std::byte* lines, DType dtype, std::int64_t step, std::int64_t count,
                   std::int64_t length, float* to) {
  HWY_DYNAMIC_DISPATCH(convert)(lines, dtype, step, count, length, to);
}

}  // namespace cpu
}  // namespace lvx
#endif
