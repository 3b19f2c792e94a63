// SPDX-License-Identifier: Apache-2.0
// Which instruction set the kernels use: the best that the processor has, or a lesser one that the environment variable
// LVX_CPU_TARGET names, so that each can be measured and tested on one machine.
#pragma once

#include <string>

namespace lvx {

// Applies LVX_CPU_TARGET, once for the process; to be called before any kernel runs. Throws Error(LVX_INVALID_ARGUMENT)
// for a name that is unknown or that this processor does not have, each time.
void choose_instruction_set();

// The set in use, by the name that LVX_CPU_TARGET takes.
std::string instruction_set();

// Whether LVX_CPU_TARGET leaves the instructions for pairs of bfloat16 in use, where there are any.
bool pairs_allowed();

}  // namespace lvx
