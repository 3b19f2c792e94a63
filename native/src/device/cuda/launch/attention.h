// SPDX-License-Identifier: Apache-2.0
// Attention as a sequence of kernels: which ones, in how many blocks, and what scratch lies between them.
#pragma once

#include <cstddef>
#include <span>

#include "device/cuda/launch/kernels.h"
#include "device/device.h"

namespace lvx::cuda {

// multiprocessors: of the GPU, for the number of splits.
std::size_t forward_scratch(const Problem& problem, DType dtype, int multiprocessors);
std::size_t backward_scratch(const Problem& problem, DType dtype, int multiprocessors);
void forward(const Queue& queue, int multiprocessors, const ForwardArguments& arguments,
             std::span<std::byte> scratch);
void backward(const Queue& queue, int multiprocessors, const BackwardArguments& arguments,
              std::span<std::byte> scratch);

}  // namespace lvx::cuda
