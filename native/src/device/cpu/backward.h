// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "device/cpu/workers.h"
#include "device/device.h"

namespace lvx::cpu {

std::size_t backward_scratch(const Problem& problem, DType dtype, int threads);
void backward(Workers& workers, const BackwardArguments& arguments, std::span<std::byte> scratch);

}  // namespace lvx::cpu
