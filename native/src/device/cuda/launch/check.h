// SPDX-License-Identifier: Apache-2.0
// Errors of the CUDA runtime as those of this library.
#pragma once

#include <cuda_runtime_api.h>

namespace lvx::cuda {

// Throws Error for what is not success: LVX_MISSING_LIBRARY where there is no driver or no GPU, LVX_OUT_OF_MEMORY where
// memory is short, LVX_DEVICE_ERROR where the GPU is lost, LVX_INTERNAL for a call that was wrong. what: the attempt, for
// people.
void check(cudaError_t result, const char* what);

}  // namespace lvx::cuda
