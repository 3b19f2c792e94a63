// SPDX-License-Identifier: Apache-2.0
// Attention as a sequence of kernels: selects them and their grids, and allots scratch for their intermediate results.
#pragma once

#include <cstddef>
#include <span>

#include "device/cuda/launch/kernels.h"
#include "device/cuda/launch/plan.h"
#include "device/problem.h"

namespace lvx::cuda {

std::size_t forward_scratch(const ProblemShape& shape, DType dtype, const Cutting& cutting = {});
std::size_t backward_scratch(const ProblemShape& shape, DType dtype, const Cutting& cutting = {});
void forward(const Queue& queue, const ForwardProblem& problem, std::span<std::byte> scratch,
             const Cutting& cutting = {});
void backward(const Queue& queue, const BackwardProblem& problem, std::span<std::byte> scratch,
              const Cutting& cutting = {});

}  // namespace lvx::cuda
