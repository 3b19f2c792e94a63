// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "device/cpu/workers.h"
#include "device/device.h"

namespace lvx::cpu {

std::size_t forward_scratch(const Problem& problem, DType dtype, int threads);
void forward(Workers& workers, const ForwardArguments& arguments, std::span<std::byte> scratch);

}  // namespace lvx::cpu
