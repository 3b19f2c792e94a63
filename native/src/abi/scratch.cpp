// SPDX-License-Identifier: Apache-2.0
// What kernels need beside their arguments, for those who predict memory.
#include <algorithm>
#include <string>

#include "abi/error.h"
#include "abi/objects.h"
#include "abi/structs.h"
#include "abi/tensor_check.h"
#include "device/layers.h"

using namespace lvx;

namespace {

DType floating_dtype(std::int32_t code, std::int32_t bits) {
  for (const DType dtype : {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    const std::int32_t expected = dtype == DType::kBFloat16 ? LVX_BFLOAT : LVX_FLOAT;
    if (code == expected && bits == 8 * size_of(dtype)) return dtype;
  }
  throw Error(LVX_INVALID_ARGUMENT, "dtype: expected float64, float32, bfloat16 or float16, got code " +
                                        std::to_string(code) + " with " + std::to_string(bits) + " bits");
}

void require_count(std::int64_t value, std::int64_t low, const char* name) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 40;
  if (value < low || value > kLargest) {
    throw Error(LVX_INVALID_ARGUMENT, std::string(name) + ": expected " + std::to_string(low) +
                                          " to 2^40, got " + std::to_string(value));
  }
}

void require_heads(std::int32_t key_heads, std::int32_t head_dim) {
  require_count(key_heads, 1, "key_heads");
  if (head_dim < 8 || head_dim > 256 || head_dim % 8 != 0) {
    throw Error(LVX_INVALID_ARGUMENT,
                "head_dim: expected a multiple of 8 from 8 to 256, got " + std::to_string(head_dim));
  }
}

}  // namespace

lvx_status lvx_attention_scratch(lvx_device device, int32_t dtype_code, int32_t dtype_bits, int64_t batch,
                                 int64_t queries, int64_t keys, int32_t query_heads, int32_t key_heads,
                                 int32_t head_dim, uint64_t* forward, uint64_t* backward) {
  return guard([&] {
    require_not_null(forward, "forward");
    require_not_null(backward, "backward");
    const DType dtype = floating_dtype(dtype_code, dtype_bits);
    require_count(batch, 0, "batch");
    require_count(queries, 0, "queries");
    require_count(keys, 0, "keys");
    require_heads(key_heads, head_dim);
    if (query_heads < 1 || query_heads % key_heads != 0) {
      throw Error(LVX_INVALID_ARGUMENT, "query_heads: expected a multiple of the " +
                                            std::to_string(key_heads) + " key heads, got " +
                                            std::to_string(query_heads));
    }
    const auto object = find_handle<DeviceObject>(device);
    const Problem problem{batch, queries, keys, query_heads, key_heads, head_dim, 1, 0};
    *forward = object->device->forward_scratch(problem, dtype);
    *backward = object->device->backward_scratch(problem, dtype);
  });
}

lvx_status lvx_projection_scratch(lvx_device device, int32_t dtype_code, int32_t dtype_bits, int64_t rows,
                                  int64_t width, int32_t key_heads, int32_t head_dim, uint64_t* forward,
                                  uint64_t* backward) {
  return guard([&] {
    require_not_null(forward, "forward");
    require_not_null(backward, "backward");
    const DType dtype = floating_dtype(dtype_code, dtype_bits);
    require_count(rows, 0, "rows");
    require_count(width, 1, "width");
    require_heads(key_heads, head_dim);
    const auto object = find_handle<DeviceObject>(device);
    const LayerOperations& layers = object->device->layers();
    const std::int64_t outputs = 2 * std::int64_t{key_heads} * head_dim;
    *forward = layers.linear_scratch(rows, width, outputs, dtype);
    *backward = std::max({*forward, static_cast<std::uint64_t>(layers.norm_scratch(width)),
                          static_cast<std::uint64_t>(layers.norm_scratch(head_dim))});
  });
}
