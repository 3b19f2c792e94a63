// SPDX-License-Identifier: Apache-2.0
// The attention operations of the stand-in for cuDNN: checks their attributes, and computes them with the oracle on host memory.
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
    shape_.batch = q[0];
    shape_.query_heads = q[1];
    shape_.queries = q[2];
    shape_.head_dim = q[3];
    shape_.key_heads = k[1];
    shape_.keys = k[2];
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
  std::int64_t head_dim() const { return shape_.head_dim; }

  void run(const Pointers& pointers) const {
    ProblemShape p = shape_;
    p.scale = *static_cast<const float*>(
        pointer(tensor(name(cudnn::kForwardScale, cudnn::kBackwardScale)), pointers, alignof(float)));
    const Bshd q = view(name(cudnn::kForwardQ, cudnn::kBackwardQ), pointers);
    const Bshd k = view(name(cudnn::kForwardK, cudnn::kBackwardK), pointers);
    const Bshd v = view(name(cudnn::kForwardV, cudnn::kBackwardV), pointers);
    const Bshd o = view(name(cudnn::kForwardO, cudnn::kBackwardO), pointers);
    const BackendObject& statistics = tensor(name(cudnn::kForwardStatistics, cudnn::kBackwardStatistics));
    const auto strides = statistics.integers(cudnn::kTensorStrides);
    require(strides[2] == 1, "statistics are not contiguous");
    const Bhs lse{static_cast<std::byte*>(pointer(statistics, pointers, 16)),
                  DType::kFloat32,
                  p.batch,
                  p.query_heads,
                  p.queries,
                  strides[0],
                  strides[1]};
    if (!backward_) {
      reference_forward({p, q, k, v, {}, {}, o, lse});
      return;
    }
    // Accumulated in float64, because gradients are sums.
    const Bshd d_q = view(cudnn::kBackwardDq, pointers);
    const Bshd d_k = view(cudnn::kBackwardDk, pointers);
    const Bshd d_v = view(cudnn::kBackwardDv, pointers);
    Sum dq(d_q), dk(d_k), dv(d_v);
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
    dq.round_into(d_q);
    dk.round_into(d_k);
    dv.round_into(d_v);
  }

 private:
  class Sum {
   public:
    explicit Sum(const Bshd& like)
        : values_(static_cast<std::size_t>(like.elements())),
          view_(compact_bshd(values_.data(), DType::kFloat64, like.batch, like.rows, like.heads, like.dim)) {}
    const Bshd& view() const { return view_; }
    void round_into(const Bshd& to) {
      std::size_t i = 0;
      for (std::int64_t b = 0; b < to.batch; ++b) {
        for (std::int64_t row = 0; row < to.rows; ++row) {
          for (std::int64_t head = 0; head < to.heads; ++head) {
            for (std::int64_t d = 0; d < to.dim; ++d) {
              store_element(values_[i++], to.at(b, row, head), to.dtype, d);
            }
          }
        }
      }
    }

   private:
    std::vector<double> values_;
    Bshd view_;
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
    const auto sizes = of.integers(cudnn::kTensorDimensions);
    const auto strides = of.integers(cudnn::kTensorStrides);
    require(strides.at(3) == 1, "head_dim is not contiguous");
    for (std::size_t i = 0; i < 3; ++i) require(strides[i] % 8 == 0, "rows at no multiples of 16 bytes");
    return {static_cast<std::byte*>(pointer(of, pointers, 16)),
            data_type(of) == cudnn::kHalf ? DType::kFloat16 : DType::kBFloat16,
            sizes.at(0),
            sizes.at(2),
            sizes.at(1),
            sizes.at(3),
            strides[0],
            strides[2],
            strides[1]};
  }

  const BackendObject& operation_;
  bool backward_;
  ProblemShape shape_;
};

}  // namespace lvx::test
