// SPDX-License-Identifier: Apache-2.0
// Sizes and dtypes of calls that are only asked about, without tensors.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace lvx {

inline constexpr std::int64_t kLargestCount = std::int64_t{1} << 40;

// Of the codes of lvx_dl_dtype. All throw Error(LVX_INVALID_ARGUMENT) that begins with the name.
DType floating_dtype(std::int32_t code, std::int32_t bits, const char* name);
void require_count(std::int64_t value, std::int64_t low, const char* name);
void require_key_heads(std::int32_t key_heads, std::int32_t head_dim);
void require_heads(std::int32_t query_heads, std::int32_t key_heads, std::int32_t head_dim);

}  // namespace lvx
