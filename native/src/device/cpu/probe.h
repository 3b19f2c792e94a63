// SPDX-License-Identifier: Apache-2.0
// What this machine can do: yardsticks for the kernels.
#pragma once

#include "device/cpu/memory.h"
#include "device/cpu/workers.h"

namespace lvx::cpu {

// Seconds for one n x n x n float32 product on all threads.
double probe_gemm(Workers& workers, Memory& memory, std::int64_t n);
// Seconds for all threads to read bytes of memory once.
double probe_read(Workers& workers, Memory& memory, std::size_t bytes);

}  // namespace lvx::cpu
