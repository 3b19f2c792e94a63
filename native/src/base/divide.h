// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lvx {

// a / b rounded up, and a rounded up to a multiple of b; for non-negative a.
constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

}  // namespace lvx
