// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace lvx::cpu {

// to[i * length + j] = the j-th element of half precision from lines + i * step bytes on. A tile of weights is
// converted for few rows of a product, so this must not be slower than the product.
void convert_lines(const std::byte* lines, DType dtype, std::int64_t step, std::int64_t count,
                   std::int64_t length, float* to);

}  // namespace lvx::cpu
