// SPDX-License-Identifier: Apache-2.0
// A tensor of the C ABI together with its memory.
#pragma once

#include <lvx/lvx.h>

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "base/dtype.h"

namespace lvx::test {

inline lvx_dl_dtype dl_dtype_of(DType dtype) {
  const auto code = dtype == DType::kInt32 ? LVX_INT : dtype == DType::kBFloat16 ? LVX_BFLOAT : LVX_FLOAT;
  return {static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(8 * size_of(dtype)), 1};
}

class OwnedTensor {
 public:
  OwnedTensor(DType dtype, std::initializer_list<std::int64_t> extents)
      : shape(extents), strides(extents.size()) {
    std::int64_t elements = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
      strides[i] = elements;
      elements *= shape[i];
    }
    memory.assign(static_cast<std::size_t>(elements * size_of(dtype)) / sizeof(double) + 1, 0.0);
    tensor.data = memory.data();
    tensor.device = {LVX_CPU, 0};
    tensor.ndim = static_cast<std::int32_t>(shape.size());
    tensor.dtype = dl_dtype_of(dtype);
    tensor.shape = shape.data();
    tensor.strides = strides.data();
    tensor.byte_offset = 0;
  }
  OwnedTensor(const OwnedTensor&) = delete;
  OwnedTensor& operator=(const OwnedTensor&) = delete;

  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(memory.data());
  }
  operator const lvx_tensor*() const { return &tensor; }

  std::vector<std::int64_t> shape, strides;
  std::vector<double> memory;
  lvx_tensor tensor{};
};

inline lvx_error error_now() {
  lvx_error error{};
  error.struct_size = sizeof(error);
  lvx_last_error(&error);
  return error;
}

}  // namespace lvx::test
