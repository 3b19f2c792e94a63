// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "device/memory_operations.h"

namespace lvx {

// Owns memory of a device (RAII).
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(MemoryOperations& device, std::size_t bytes)
      : device_(&device), data_(bytes == 0 ? nullptr : device.allocate(bytes)), bytes_(bytes) {}
  ~DeviceMemory() {
    if (data_ != nullptr) device_->release(data_, bytes_);
  }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  MemoryOperations* device_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace lvx
