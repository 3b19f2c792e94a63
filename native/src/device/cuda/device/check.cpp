// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/launch/check.h"

#include <string>

#include "base/error.h"

namespace lvx::cuda {
namespace {

// Whether the error is sticky: the process cannot use the GPU any more, and every later call reports the error.
bool is_sticky(cudaError_t result) {
  switch (result) {
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorMisalignedAddress:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorExternalDevice:
    case cudaErrorMpsClientTerminated:
      return true;
    default:
      return false;
  }
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

void check(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // clears a non-sticky error, so that the next call does not report it
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
    case cudaErrorDevicesUnavailable:
      throw Error(LVX_DEVICE_ERROR, "another process has the GPU to itself. " + said);
    default:
      if (is_sticky(result)) {
        throw Error(
            LVX_DEVICE_ERROR,
            "the GPU has failed and is lost to this process, as is what was in its memory; close the device "
            "and start another process. " +
                said);
      }
      throw Error(LVX_INTERNAL, said);
  }
}

}  // namespace lvx::cuda
