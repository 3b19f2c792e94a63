// SPDX-License-Identifier: Apache-2.0
// Devices that live in shared libraries of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "device/device.h"

namespace lvx {

struct CudaOptions {
  int ordinal = 0;                // as the CUDA runtime counts the GPUs
  std::size_t memory_budget = 0;  // 0: no limit
  void* stream = nullptr;         // a cudaStream_t of the caller's; null: the device makes one
};

// Throws Error(LVX_MISSING_LIBRARY) without the plugin or the driver, Error(LVX_INVALID_ARGUMENT) for an ordinal that there
// is not.
std::unique_ptr<Device> open_cuda_device(const CudaOptions& options);

// What liblvx_cuda.so exports, by this name; it hands over what it returns.
extern "C" {
using PluginOpenCuda = Device*(const CudaOptions* options);
}
inline constexpr const char* kPluginOpenCuda = "lvx_plugin_open_cuda";

}  // namespace lvx
