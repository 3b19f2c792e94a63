// SPDX-License-Identifier: Apache-2.0
// A C ABI tensor in GPU memory, with a copy of its elements on the host.
#pragma once

#include <gtest/gtest.h>
#include <lvx/lvx.h>

#include <initializer_list>
#include <random>
#include <vector>

#include "abi/owned_tensor.h"
#include "support/seed.h"

namespace lvx::test {

class GpuTensor {
 public:
  GpuTensor(lvx_device device, DType dtype, std::initializer_list<std::int64_t> extents)
      : host(dtype, extents), device_(device), bytes_(size_of(dtype)) {
    for (const std::int64_t extent : extents) bytes_ *= extent;
    lvx_device_info info{};
    info.struct_size = sizeof(info);
    EXPECT_EQ(lvx_device_query(device, &info), LVX_OK) << error_now().message;
    tensor = host.tensor;
    tensor.device = {info.kind, info.ordinal};
    EXPECT_EQ(lvx_buffer_allocate(device, static_cast<std::uint64_t>(bytes_), &buffer_, &tensor.data), LVX_OK)
        << error_now().message;
  }
  ~GpuTensor() { EXPECT_EQ(lvx_buffer_free(buffer_), LVX_OK) << error_now().message; }
  GpuTensor(const GpuTensor&) = delete;
  GpuTensor& operator=(const GpuTensor&) = delete;

  // Fills it with normally distributed numbers, on the host and on the GPU.
  GpuTensor& fill(std::uint64_t seed) {
    std::mt19937_64 random(seeded(seed));
    std::normal_distribution<double> normal;
    for (double& value : host.memory) value = normal(random);
    EXPECT_EQ(copy(host.memory.data(), tensor.data), LVX_OK) << error_now().message;
    return *this;
  }
  void fetch() { EXPECT_EQ(copy(tensor.data, host.memory.data()), LVX_OK) << error_now().message; }
  operator const lvx_tensor*() const { return &tensor; }

  OwnedTensor host;
  lvx_tensor tensor{};

 private:
  lvx_status copy(const void* from, void* to) {
    return lvx_device_copy(device_, from, to, static_cast<std::uint64_t>(bytes_));
  }

  lvx_device device_;
  std::int64_t bytes_;
  lvx_buffer buffer_ = 0;
};

}  // namespace lvx::test
