// SPDX-License-Identifier: Apache-2.0
// Checks a caller's tensor by itself, and turns it into the views of the core.
#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <span>

#include "attention/views.h"
#include "base/error.h"

namespace lvx {

// Where tensors of a call must lie.
struct DeviceId {
  std::int32_t kind = LVX_CPU;
  std::int32_t ordinal = 0;
};

inline constexpr int kMaxDims = 4;

struct CheckedTensor {
  const char* name = "";
  std::byte* data = nullptr;  // never null; points nowhere useful if there are no elements
  DType dtype = DType::kFloat32;
  int ndim = 0;
  std::array<std::int64_t, kMaxDims> shape{};
  std::array<std::int64_t, kMaxDims> strides{};  // in elements; where an extent is 1, as if compact

  bool empty() const;
  std::int64_t elements() const;
};

// One that may be absent.
using OptionalTensor = std::optional<CheckedTensor>;
inline const CheckedTensor* pointer_to(const OptionalTensor& tensor) { return tensor ? &*tensor : nullptr; }

// Checks everything that needs no other tensor. dims says in messages what is expected, for instance
// "[batch, sequence, heads, headDim]". Throws Error(LVX_INVALID_ARGUMENT).
CheckedTensor check_tensor(const lvx_tensor* tensor, const char* name, int ndim, const char* dims,
                           const DeviceId& device_id);

// why explains the expectation, for instance "like q".
void require_dtype(const CheckedTensor& tensor, std::initializer_list<DType> expected, const char* why);
void require_shape(const CheckedTensor& tensor, std::span<const std::int64_t> expected, const char* why);
inline void require_shape(const CheckedTensor& tensor, std::initializer_list<std::int64_t> expected,
                          const char* why) {
  require_shape(tensor, std::span(expected.begin(), expected.size()), why);
}

Bshd bshd_of(const CheckedTensor& tensor);
Bhs bhs_of(const CheckedTensor& tensor);
Visibility visibility_of(const CheckedTensor& tensor);
// Strides of extents 1 become 0.
Bias bias_of(const CheckedTensor& tensor);

// Ranges from 0 up, ascending and disjoint, none inverted; reads the values, so the tensor must lie in host memory.
void check_ranges(const CheckedTensor& visibility);

}  // namespace lvx
