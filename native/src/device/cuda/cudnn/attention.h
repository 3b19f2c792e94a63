// SPDX-License-Identifier: Apache-2.0
// Attention of a CUDA device by the engine that its user chose: our kernels, cuDNN, or the faster of the two.
#pragma once

#include <memory>

#include "device/cuda/cudnn/choices.h"
#include "device/cuda/cudnn/engine.h"

namespace lvx::cudnn {

struct Gpu {
  int compute_major = 8;
};

class Attention {
 public:
  // Throws Error(LVX_MISSING_LIBRARY) if cuDNN is wanted and not there. All must outlive this.
  Attention(Device& device, const Gpu& gpu, lvx_engine wanted, Stopwatch& watch,
            std::shared_ptr<Choices> choices);

  // Throws Error(LVX_UNSUPPORTED) where cuDNN is wanted and cannot.
  void require(const AttentionRequest& request) const;

  std::size_t forward_scratch(const Problem& problem, DType dtype) const;
  std::size_t backward_scratch(const Problem& problem, DType dtype) const;
  void forward(const cuda::Queue& queue, const ForwardArguments& arguments, std::span<std::byte> scratch);
  void backward(const cuda::Queue& queue, const BackwardArguments& arguments, std::span<std::byte> scratch);

  // Bits 1 << lvx_engine of those that computed since this was last asked.
  std::uint32_t take_used();
  std::vector<EngineChoice> choices() const { return choices_->all(); }

 private:
  template <typename Arguments, typename Measure>
  lvx_engine engine_for(const AttentionRequest& request, const Arguments& arguments, Measure&& measure);
  lvx_engine ours(bool backward, DType dtype, const std::string& reason);
  bool loaded(std::string& reason);

  Device& device_;
  Gpu gpu_;
  lvx_engine wanted_;
  Stopwatch& watch_;
  std::shared_ptr<Choices> choices_;
  std::unique_ptr<Engine> engine_;
  std::uint32_t used_ = 0;
};

}  // namespace lvx::cudnn
