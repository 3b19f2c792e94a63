// SPDX-License-Identifier: Apache-2.0
// Attention as a sequence of kernels: which ones, in how many blocks, and what scratch lies between them.
#pragma once

#include <cstddef>
#include <span>

#include "device/cuda/launch/kernels.h"
#include "device/cuda/launch/plan.h"
#include "device/device.h"

namespace lvx::cuda {

std::size_t forward_scratch(const Problem& problem, DType dtype, const Cutting& cutting = {});
std::size_t backward_scratch(const Problem& problem, DType dtype, const Cutting& cutting = {});
void forward(const Queue& queue, const ForwardArguments& arguments, std::span<std::byte> scratch,
             const Cutting& cutting = {});
void backward(const Queue& queue, const BackwardArguments& arguments, std::span<std::byte> scratch,
              const Cutting& cutting = {});

}  // namespace lvx::cuda
