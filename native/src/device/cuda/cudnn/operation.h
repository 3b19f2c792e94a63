// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention as one operation of cuDNN's graph API (CUDNN_BACKEND_OPERATION_SDPA_*).
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "attention/views.h"
#include "device/cuda/cudnn/descriptor.h"

namespace lvx::cudnn {

// In elements; what cuDNN is told of a tensor beside its extents.
struct Strides {
  std::int64_t batch = 0;
  std::int64_t row = 0;
  std::int64_t head = 0;
  auto operator<=>(const Strides&) const = default;
};

// Strides of extents up to 1 do not count, and are as compact tensors have them.
Strides strides_of(const Bshd& x, const Problem& p, std::int64_t rows, std::int64_t heads);
Strides strides_of(const Bhs& x, const Problem& p);

// All that distinguishes one plan from another.
struct Operation {
  bool backward = false;
  DType dtype = DType::kBFloat16;
  std::int64_t batch = 0;
  std::int64_t queries = 0;
  std::int64_t keys = 0;
  std::int64_t query_heads = 0;
  std::int64_t key_heads = 0;
  std::int64_t head_dim = 0;
  Strides q, k, v, o;
  Strides lse;              // row: 1
  Strides d_o, dq, dk, dv;  // of backward
  auto operator<=>(const Operation&) const = default;
};

// The operation on these inputs; its other tensors are left to the caller.
Operation operation_of(const Problem& p, const Bshd& q, const Bshd& k, const Bshd& v, bool backward);

// Numbers of the tensors in a graph.
enum TensorId : std::int64_t { kQ = 1, kK, kV, kO, kLse, kScale, kDo, kDq, kDk, kDv };

// The operation and the tensors it is about; the first is the operation.
std::vector<BackendDescriptor> describe(const Api& api, const Operation& operation);

}  // namespace lvx::cudnn
