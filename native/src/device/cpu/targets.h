// SPDX-License-Identifier: Apache-2.0
// Which instruction sets the kernels are compiled for; the best one the machine has is taken at run time.
#pragma once

// SSSE3 without SSE4.1 is too rare to compile everything once more.
#define HWY_DISABLED_TARGETS HWY_SSSE3
