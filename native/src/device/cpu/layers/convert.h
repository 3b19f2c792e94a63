// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace lvx::cpu {

// to[i * length + j] = element j of the half-precision line at lines + i * step, step in bytes. A tile of weights may be
// converted for a product with few rows, so the conversion must be as fast as the product.
void convert_lines(const std::byte* lines, DType dtype, std::int64_t step, std::int64_t count,
                   std::int64_t length, float* to);

}  // namespace lvx::cpu
