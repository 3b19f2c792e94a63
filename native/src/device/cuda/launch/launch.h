// SPDX-License-Identifier: Apache-2.0
// Launches a kernel: on the GPU if nvcc compiles this, otherwise in the simulator. Included by the files that instantiate
// kernels.
#pragma once

#include <limits>
#include <string>

#include "base/error.h"
#include "device/cuda/launch/kernels.h"

#if defined(__CUDACC__)
#include "device/cuda/launch/check.h"
#else
#include "device/cuda/host/simulator.h"
#endif

namespace lvx::cuda {

constexpr int kEveryBlockHas = 48 << 10;  // bytes of shared memory, by default
constexpr int kBlockMayHave = 99 << 10;   // if the kernel requests it, on every GPU from sm_80 on

#if defined(__CUDACC__)

template <typename Kernel, typename Params>
__global__ void __launch_bounds__(Kernel::kThreads) run_kernel(const __grid_constant__ Params params) {
  Kernel::run(params);
}

template <typename Kernel, typename Params>
void launch(const Queue& queue, std::int64_t blocks, const Params& params) {
  static_assert(Kernel::kSharedBytes <= kBlockMayHave);
  if (blocks == 0) return;
  if (blocks > std::numeric_limits<int>::max()) {
    throw Error(LVX_INVALID_ARGUMENT,
                "expected a problem of at most 2147483647 blocks for the GPU, got " + std::to_string(blocks));
  }
  if constexpr (Kernel::kSharedBytes > kEveryBlockHas) {
    check(cudaFuncSetAttribute(run_kernel<Kernel, Params>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               Kernel::kSharedBytes),
          "shared memory of a kernel");
  }
  run_kernel<Kernel, Params><<<static_cast<unsigned>(blocks), Kernel::kThreads, Kernel::kSharedBytes,
                               static_cast<cudaStream_t>(queue.stream)>>>(params);
  check(cudaGetLastError(), "start of a kernel");
}

#else

template <typename Kernel, typename Params>
void launch(const Queue& queue, std::int64_t blocks, const Params& params) {
  static_assert(Kernel::kSharedBytes <= kBlockMayHave);
  host::enqueue(queue.stream, [blocks, params] {
    host::simulate(blocks, Kernel::kThreads, Kernel::kSharedBytes, [&] { Kernel::run(params); });
  });
}

#endif

}  // namespace lvx::cuda
