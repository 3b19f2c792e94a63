// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "device/cpu/thread_pool.h"
#include "device/problem.h"

namespace lvx::cpu {

std::size_t backward_scratch(const ProblemShape& shape, DType dtype, int threads);
void backward(ThreadTeam& team, const BackwardProblem& problem, std::span<std::byte> scratch);

}  // namespace lvx::cpu
