// SPDX-License-Identifier: Apache-2.0
// Attention of a CUDA device by the selected attention backend: our kernels, cuDNN, or the faster of the two.
#pragma once

#include <memory>

#include "device/cuda/cudnn/choices.h"
#include "device/cuda/cudnn/sdpa_backend.h"

namespace lvx::cudnn {

struct Gpu {
  int compute_major = 8;
};

class Attention {
 public:
  // Throws Error(LVX_MISSING_LIBRARY) if cuDNN is required and missing. All arguments must outlive this.
  Attention(MemoryOperations& device, const Gpu& gpu, lvx_attention_backend wanted, Stopwatch& watch,
            std::shared_ptr<Choices> choices);

  // Throws Error(LVX_UNSUPPORTED) if cuDNN is required and does not support the problem.
  void require(const AttentionRequest& request) const;

  std::size_t forward_scratch(const ProblemShape& shape, DType dtype) const;
  std::size_t backward_scratch(const ProblemShape& shape, DType dtype) const;
  void forward(const cuda::Queue& queue, const ForwardProblem& problem, std::span<std::byte> scratch);
  void backward(const cuda::Queue& queue, const BackwardProblem& problem, std::span<std::byte> scratch);

  // The attention backends used since the last call, as bits 1 << lvx_attention_backend.
  std::uint32_t take_used();
  std::vector<AttentionBackendChoice> choices() const { return choices_->all(); }

 private:
  template <typename Problem, typename Measure>
  lvx_attention_backend backend_for(const AttentionRequest& request, const Problem& problem,
                                    Measure&& measure);
  lvx_attention_backend ours(bool backward, DType dtype, const std::string& reason);
  bool loaded(std::string& reason);

  MemoryOperations& device_;
  Gpu gpu_;
  lvx_attention_backend wanted_;
  Stopwatch& watch_;
  std::shared_ptr<Choices> choices_;
  std::unique_ptr<SdpaBackend> sdpa_;
  std::uint32_t used_ = 0;
};

}  // namespace lvx::cudnn
