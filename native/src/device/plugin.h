// SPDX-License-Identifier: Apache-2.0
// Devices that are implemented by plugins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "device/device.h"

namespace lvx {

struct CudaOptions {
  int ordinal = 0;  // CUDA device index
  lvx_attention_backend attention_backend = LVX_ATTENTION_BACKEND_LVX;
  std::size_t memory_budget = 0;  // 0: no limit
  void* stream = nullptr;         // the caller's cudaStream_t; null: the device creates one
};

// Throws Error(LVX_MISSING_LIBRARY) if the plugin, the driver or the attention backend is missing, and
// Error(LVX_INVALID_ARGUMENT) if there is no GPU with that ordinal.
std::unique_ptr<Device> open_cuda_device(const CudaOptions& options);

// cuDNN's version, 92400 for 9.24.0. Throws Error(LVX_MISSING_LIBRARY) if the plugin or cuDNN is missing.
std::size_t load_cudnn();

// Functions that liblvx_cuda.so exports, and their names. The caller owns the device that PluginOpenCuda returns.
extern "C" {
using PluginOpenCuda = Device*(const CudaOptions* options);
using PluginLoadCudnn = std::size_t();
}
inline constexpr const char* kPluginOpenCuda = "lvx_plugin_open_cuda";
inline constexpr const char* kPluginLoadCudnn = "lvx_plugin_load_cudnn";

}  // namespace lvx
