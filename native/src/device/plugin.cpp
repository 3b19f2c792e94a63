// SPDX-License-Identifier: Apache-2.0
#include "device/plugin.h"

#include "base/plugin.h"

namespace lvx {
namespace {

constexpr PluginFile kCuda = {"liblvx_cuda.so", "CUDA",
                              "it is built by ./lvx build --cuda, where NVIDIA's nvcc 12.8 or later is",
                              "it needs NVIDIA's driver"};

}  // namespace

std::unique_ptr<Device> open_cuda_device(const CudaOptions& options) {
  auto* open = reinterpret_cast<PluginOpenCuda*>(find_in_plugin(load_plugin(kCuda), kCuda, kPluginOpenCuda));
  return std::unique_ptr<Device>(open(&options));
}

std::size_t load_cudnn() {
  auto* load =
      reinterpret_cast<PluginLoadCudnn*>(find_in_plugin(load_plugin(kCuda), kCuda, kPluginLoadCudnn));
  return load();
}

}  // namespace lvx
