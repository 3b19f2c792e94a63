// SPDX-License-Identifier: Apache-2.0
// Measures this machine, for comparison with kernels.
#pragma once

#include "device/cpu/memory.h"
#include "device/cpu/thread_pool.h"

namespace lvx::cpu {

// Seconds for one n x n x n float32 product on all threads.
double probe_gemm(ThreadTeam& team, Memory& memory, std::int64_t n);
// Seconds for all threads to read bytes of memory once.
double probe_read(ThreadTeam& team, Memory& memory, std::size_t bytes);

}  // namespace lvx::cpu
