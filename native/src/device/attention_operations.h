// SPDX-License-Identifier: Apache-2.0
// Attention on a device, and the attention backends that compute it.
#pragma once

#include <lvx/lvx.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "device/attention_backend.h"
#include "device/problem.h"

namespace lvx {

class AttentionOperations {
 public:
  // Bytes of scratch that forward or backward needs. The caller allocates it, so that it is counted and reused.
  virtual std::size_t forward_scratch(const ProblemShape& shape, DType dtype) const = 0;
  virtual std::size_t backward_scratch(const ProblemShape& shape, DType dtype) const = 0;

  // Throws Error(LVX_UNSUPPORTED) if forward or backward would throw it. Called before a collective begins.
  virtual void require_attention(const AttentionRequest&) const {}
  virtual void forward(const ForwardProblem& problem, std::span<std::byte> scratch) = 0;
  virtual void backward(const BackwardProblem& problem, std::span<std::byte> scratch) = 0;

  // into = merge(into, part).
  virtual void merge(const Partial& part, const Partial& into) = 0;
  // delta = rowsum(o * d_o).
  virtual void delta(const Bshd& o, const Bshd& d_o, const Bhs& delta) = 0;

  // The attention backends used since the last call, as bits 1 << lvx_attention_backend, and why they were chosen.
  virtual std::uint32_t take_attention_backends_used() { return 1U << LVX_ATTENTION_BACKEND_LVX; }
  virtual std::vector<AttentionBackendChoice> attention_backend_choices() const { return {}; }

 protected:
  ~AttentionOperations() = default;
};

}  // namespace lvx
