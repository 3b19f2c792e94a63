// SPDX-License-Identifier: Apache-2.0
// The attention operations of the stand-in for cuDNN: what they must be told, and what they compute, by the oracle on host
// memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "attention/elements.h"
#include "attention/reference.h"
#include "standin/backend_object.h"

namespace lvx::test {

using Pointers = std::map<std::int64_t, void*>;  // by tensor id

class Sdpa {
 public:
  explicit Sdpa(const BackendObject& operation)
      : operation_(operation), backward_(operation.type() == cudnn::kSdpaBackward) {
    const auto q = extents(name(cudnn::kForwardQ, cudnn::kBackwardQ));
    const auto k = extents(name(cudnn::kForwardK, cudnn::kBackwardK));
    problem_.batch = q[0];
    problem_.query_heads = q[1];
    problem_.queries = q[2];
    problem_.head_dim = q[3];
    problem_.key_heads = k[1];
    problem_.keys = k[2];
    require(k[0] == q[0] && k[3] == q[3] && k[1] > 0 && q[1] % k[1] == 0, "k does not go with q");
    require(extents(name(cudnn::kForwardV, cudnn::kBackwardV)) == k, "v is not like k");
    require(extents(name(cudnn::kForwardO, cudnn::kBackwardO)) == q, "o is not like q");
    const auto& lse = tensor(name(cudnn::kForwardStatistics, cudnn::kBackwardStatistics));
    require(lse.integers(cudnn::kTensorDimensions) == std::vector<std::int64_t>{q[0], q[1], q[2], 1} &&
                data_type(lse) == cudnn::kFloat,
            "statistics are not float [batch, heads, queries, 1]");
    const auto& scale = tensor(name(cudnn::kForwardScale, cudnn::kBackwardScale));
    require(scale.integers(cudnn::kTensorDimensions) == std::vector<std::int64_t>{1, 1, 1, 1} &&
                data_type(scale) == cudnn::kFloat &&
                scale.value<char>(cudnn::kTensorByValue, cudnn::kBooleanType) != 0,
            "scale is not one float by value");
    if (!backward_) return;
    require(extents(cudnn::kBackwardDo) == q && extents(cudnn::kBackwardDq) == q, "d_o or dq is not like q");
    require(extents(cudnn::kBackwardDk) == k && extents(cudnn::kBackwardDv) == k, "dk or dv is not like k");
  }

  bool backward() const { return backward_; }
  std::int64_t head_dim() const { return problem_.head_dim; }

  void run(const Pointers& pointers) const {
    Problem p = problem_;
    p.scale = *static_cast<const float*>(
        pointer(tensor(name(cudnn::kForwardScale, cudnn::kBackwardScale)), pointers, alignof(float)));
    const Bshd q = view(name(cudnn::kForwardQ, cudnn::kBackwardQ), pointers);
    const Bshd k = view(name(cudnn::kForwardK, cudnn::kBackwardK), pointers);
    const Bshd v = view(name(cudnn::kForwardV, cudnn::kBackwardV), pointers);
    const Bshd o = view(name(cudnn::kForwardO, cudnn::kBackwardO), pointers);
    const BackendObject& statistics = tensor(name(cudnn::kForwardStatistics, cudnn::kBackwardStatistics));
    const auto strides = statistics.integers(cudnn::kTensorStrides);
    require(strides[2] == 1, "statistics are not contiguous");
    const Bhs lse{static_cast<std::byte*>(pointer(statistics, pointers, 16)), DType::kFloat32, strides[0],
                  strides[1]};
    if (!backward_) {
      reference_forward({p, q, k, v, {}, {}, o, lse});
      return;
    }
    // In float64 until the end: gradients are sums.
    Sum dq(p, p.queries, p.query_heads);
    Sum dk(p, p.keys, p.key_heads);
    Sum dv(p, p.keys, p.key_heads);
    reference_backward({p,
                        q,
                        k,
                        v,
                        o,
                        view(cudnn::kBackwardDo, pointers),
                        lse,
                        {},
                        {},
                        dq.view(),
                        dk.view(),
                        dv.view(),
                        {}});
    dq.round_into(view(cudnn::kBackwardDq, pointers));
    dk.round_into(view(cudnn::kBackwardDk, pointers));
    dv.round_into(view(cudnn::kBackwardDv, pointers));
  }

 private:
  class Sum {
   public:
    Sum(const Problem& p, std::int64_t rows, std::int64_t heads)
        : batch_(p.batch),
          rows_(rows),
          heads_(heads),
          dim_(p.head_dim),
          values_(static_cast<std::size_t>(p.batch * rows * heads * p.head_dim)) {}
    Bshd view() { return compact_bshd(values_.data(), DType::kFloat64, rows_, heads_, dim_); }
    void round_into(const Bshd& to) {
      std::size_t i = 0;
      for (std::int64_t b = 0; b < batch_; ++b) {
        for (std::int64_t row = 0; row < rows_; ++row) {
          for (std::int64_t head = 0; head < heads_; ++head) {
            for (std::int64_t d = 0; d < dim_; ++d) {
              store_element(values_[i++], to.at(b, row, head), to.dtype, d);
            }
          }
        }
      }
    }

   private:
    std::int64_t batch_, rows_, heads_, dim_;
    std::vector<double> values_;
  };

  static void require(bool holds, const char* what) {
    if (!holds) throw Refusal{cudnn::kBadParameter, what};
  }

  cudnn::AttributeName name(cudnn::AttributeName of_forward, cudnn::AttributeName of_backward) const {
    return backward_ ? of_backward : of_forward;
  }
  const BackendObject& tensor(cudnn::AttributeName name) const {
    return operation_.child(name, cudnn::kTensor);
  }
  static cudnn::DataType data_type(const BackendObject& tensor) {
    return static_cast<cudnn::DataType>(tensor.value<int>(cudnn::kTensorDataType, cudnn::kDataTypeType));
  }
  std::vector<std::int64_t> extents(cudnn::AttributeName name) const {
    const BackendObject& of = tensor(name);
    require(data_type(of) != cudnn::kFloat, "expected half precision");
    std::vector<std::int64_t> extents = of.integers(cudnn::kTensorDimensions);
    require(extents.size() == 4 && *std::min_element(extents.begin(), extents.end()) > 0,
            "expected four extents of 1 or more");
    return extents;
  }
  static void* pointer(const BackendObject& tensor, const Pointers& pointers, std::uintptr_t alignment) {
    const auto found = pointers.find(tensor.integers(cudnn::kTensorId).at(0));
    require(found != pointers.end() && found->second != nullptr, "a tensor without a pointer");
    require(reinterpret_cast<std::uintptr_t>(found->second) % alignment == 0, "a misaligned pointer");
    return found->second;
  }
  Bshd view(cudnn::AttributeName name, const Pointers& pointers) const {
    const BackendObject& of = tensor(name);
    const auto strides = of.integers(cudnn::kTensorStrides);
    require(strides.at(3) == 1, "head_dim is not contiguous");
    for (std::size_t i = 0; i < 3; ++i) require(strides[i] % 8 == 0, "rows at no multiples of 16 bytes");
    return {static_cast<std::byte*>(pointer(of, pointers, 16)),
            data_type(of) == cudnn::kHalf ? DType::kFloat16 : DType::kBFloat16, strides[0], strides[2],
            strides[1]};
  }

  const BackendObject& operation_;
  bool backward_;
  Problem problem_;
};

}  // namespace lvx::test
