// SPDX-License-Identifier: Apache-2.0
#include "abi/sizes_check.h"

#include <lvx/lvx.h>

#include <string>

#include "base/error.h"

namespace lvx {

DType floating_dtype(std::int32_t code, std::int32_t bits, const char* name) {
  for (const DType dtype : {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    const std::int32_t expected = dtype == DType::kBFloat16 ? LVX_BFLOAT : LVX_FLOAT;
    if (code == expected && bits == 8 * size_of(dtype)) return dtype;
  }
  throw ArgumentError(LVX_INVALID_ARGUMENT, name,
                      "expected float64, float32, bfloat16 or float16, got code " + std::to_string(code) +
                          " with " + std::to_string(bits) + " bits");
}

void require_count(std::int64_t value, std::int64_t low, const char* name) {
  if (value < low || value > kLargestCount) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, name,
                        "expected " + std::to_string(low) + " to 2^40, got " + std::to_string(value));
  }
}

void require_key_heads(std::int32_t key_heads, std::int32_t head_dim) {
  require_count(key_heads, 1, "key_heads");
  if (head_dim < 8 || head_dim > 256 || head_dim % 8 != 0) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "head_dim",
                        "expected a multiple of 8 from 8 to 256, got " + std::to_string(head_dim));
  }
}

void require_heads(std::int32_t query_heads, std::int32_t key_heads, std::int32_t head_dim) {
  require_key_heads(key_heads, head_dim);
  if (query_heads < 1 || query_heads % key_heads != 0) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "query_heads",
                        "expected a multiple of the " + std::to_string(key_heads) + " key heads, got " +
                            std::to_string(query_heads));
  }
}

}  // namespace lvx
