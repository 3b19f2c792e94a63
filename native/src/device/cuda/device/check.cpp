// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/launch/check.h"

#include <string>

#include "base/error.h"

namespace lvx::cuda {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

void check(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // what is not sticky is forgotten, so that the next call starts clean
  const std::string said =
      std::string(what) + ": " + cudaGetErrorString(result) + " (" + cudaGetErrorName(result) + ")";
  switch (result) {
    case cudaErrorInsufficientDriver:
    case cudaErrorStubLibrary: {
      int driver = 0;
      cudaDriverGetVersion(&driver);
      const std::string found =
          driver == 0 ? "no NVIDIA driver is loaded, there is no libcuda.so.1"
                      : "the NVIDIA driver, libcuda.so.1, serves CUDA " + version_text(driver) + " at most";
      throw Error(LVX_MISSING_LIBRARY,
                  found + "; expected one for CUDA " + version_text(CUDART_VERSION) + " or later. " + said);
    }
    case cudaErrorNoDevice:
      throw Error(LVX_MISSING_LIBRARY,
                  "the NVIDIA driver finds no GPU (CUDA_VISIBLE_DEVICES may hide them). " + said);
    case cudaErrorMemoryAllocation:
      throw Error(LVX_OUT_OF_MEMORY, said);
    default:
      throw Error(LVX_DEVICE_ERROR, said);
  }
}

}  // namespace lvx::cuda
