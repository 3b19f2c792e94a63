// SPDX-License-Identifier: Apache-2.0
// The instruction set that the kernels use: the best that the processor supports, or the one that LVX_CPU_TARGET names, so
// that each can be measured and tested on one machine.
#pragma once

#include <string>

namespace lvx {

// Applies LVX_CPU_TARGET, once per process. Must be called before any kernel runs. Every call throws
// Error(LVX_INVALID_ARGUMENT) if the name is unknown or this processor does not support the set.
void choose_instruction_set();

// The name of the set in use, as LVX_CPU_TARGET takes it.
std::string instruction_set();

// Whether LVX_CPU_TARGET allows the instructions for pairs of bfloat16, if the processor has them.
bool pairs_allowed();

}  // namespace lvx
