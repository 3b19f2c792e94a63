// SPDX-License-Identifier: Apache-2.0
// Translates errors of the CUDA runtime to Error.
#pragma once

#include <cuda_runtime_api.h>

namespace lvx::cuda {

// Throws Error unless the status is success: LVX_MISSING_LIBRARY without a driver or GPU, LVX_OUT_OF_MEMORY,
// LVX_DEVICE_ERROR if the GPU is lost, LVX_INTERNAL for an invalid call. what: what was attempted, for the message.
void check(cudaError_t result, const char* what);

}  // namespace lvx::cuda
