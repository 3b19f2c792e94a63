// SPDX-License-Identifier: Apache-2.0
// Workspace of kernels, for predictions of memory.
#include <algorithm>

#include "abi/error.h"
#include "abi/objects.h"
#include "abi/sizes_check.h"
#include "abi/structs.h"
#include "device/layers.h"

using namespace lvx;

lvx_status lvx_attention_scratch(lvx_device device, int32_t dtype_code, int32_t dtype_bits, int64_t batch,
                                 int64_t queries, int64_t keys, int32_t query_heads, int32_t key_heads,
                                 int32_t head_dim, uint64_t* forward, uint64_t* backward) {
  return guard([&] {
    require_not_null(forward, "forward");
    require_not_null(backward, "backward");
    const DType dtype = floating_dtype(dtype_code, dtype_bits, "dtype");
    require_count(batch, 0, "batch");
    require_count(queries, 0, "queries");
    require_count(keys, 0, "keys");
    require_heads(query_heads, key_heads, head_dim);
    const auto object = find_handle<DeviceObject>(device);
    const ProblemShape shape{batch, queries, keys, query_heads, key_heads, head_dim, 1, 0};
    *forward = object->device->forward_scratch(shape, dtype);
    *backward = object->device->backward_scratch(shape, dtype);
  });
}

lvx_status lvx_projection_scratch(lvx_device device, int32_t dtype_code, int32_t dtype_bits, int64_t rows,
                                  int64_t width, int32_t key_heads, int32_t head_dim, uint64_t* forward,
                                  uint64_t* backward) {
  return guard([&] {
    require_not_null(forward, "forward");
    require_not_null(backward, "backward");
    const DType dtype = floating_dtype(dtype_code, dtype_bits, "dtype");
    require_count(rows, 0, "rows");
    require_count(width, 1, "width");
    require_key_heads(key_heads, head_dim);
    const auto object = find_handle<DeviceObject>(device);
    const LayerOperations& layers = object->device->layers();
    const std::int64_t outputs = 2 * std::int64_t{key_heads} * head_dim;
    *forward = layers.linear_scratch(rows, width, outputs, dtype);
    *backward = std::max({*forward, static_cast<std::uint64_t>(layers.norm_scratch(width)),
                          static_cast<std::uint64_t>(layers.norm_scratch(head_dim))});
  });
}
