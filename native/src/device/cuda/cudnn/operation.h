// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention as one operation of cuDNN's graph API (CUDNN_BACKEND_OPERATION_SDPA_*).
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "attention/views.h"
#include "device/cuda/cudnn/descriptor.h"

namespace lvx::cudnn {

// Strides in elements, which cuDNN needs in addition to extents.
struct Strides {
  std::int64_t batch = 0;
  std::int64_t row = 0;
  std::int64_t head = 0;
  auto operator<=>(const Strides&) const = default;
};

// Strides of dimensions of extent 0 or 1 have no effect; they are set to those of a contiguous tensor.
Strides strides_of(const Bshd& x);
Strides strides_of(const Bhs& x);

// The key of a plan.
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
  Strides d_o, dq, dk, dv;  // backward only
  auto operator<=>(const Operation&) const = default;
};

// The operation with these inputs. The caller adds its other tensors.
Operation operation_of(const ProblemShape& p, const Bshd& q, const Bshd& k, const Bshd& v, bool backward);

// Ids of the tensors in a graph.
enum TensorId : std::int64_t { kQ = 1, kK, kV, kO, kLse, kScale, kDo, kDq, kDk, kDv };

// The descriptors of the operation and its tensors. The first is the operation's.
std::vector<BackendDescriptor> describe(const Api& api, const Operation& operation);

}  // namespace lvx::cudnn
