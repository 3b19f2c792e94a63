// SPDX-License-Identifier: Apache-2.0
// Devices that live in shared libraries of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "device/device.h"

namespace lvx {

struct CudaOptions {
  int ordinal = 0;  // as the CUDA runtime counts the GPUs
  lvx_engine engine = LVX_ENGINE_LVX;
  std::size_t memory_budget = 0;  // 0: no limit
  void* stream = nullptr;         // a cudaStream_t of the caller's; null: the device makes one
};

// Throws Error(LVX_MISSING_LIBRARY) without the plugin, the driver or the engine, Error(LVX_INVALID_ARGUMENT) for an ordinal
// that there is not.
std::unique_ptr<Device> open_cuda_device(const CudaOptions& options);

// cuDNN's version, 92400 for 9.24.0. Throws Error(LVX_MISSING_LIBRARY) without the plugin or cuDNN.
std::size_t load_cudnn();

// What liblvx_cuda.so exports, by these names; the device is handed over.
extern "C" {
using PluginOpenCuda = Device*(const CudaOptions* options);
using PluginLoadCudnn = std::size_t();
}
inline constexpr const char* kPluginOpenCuda = "lvx_plugin_open_cuda";
inline constexpr const char* kPluginLoadCudnn = "lvx_plugin_load_cudnn";

}  // namespace lvx
