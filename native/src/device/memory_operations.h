// SPDX-License-Identifier: Apache-2.0
// A device's memory. Operations are enqueued on the device's stream.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"

namespace lvx {

inline std::string no_host_memory(std::size_t bytes) {
  return "the system has no " + std::to_string(bytes) + " bytes of host memory left";
}

class MemoryOperations {
 public:
  // Allocates memory, aligned to 64 bytes and counted against the budget. Throws Error(LVX_OUT_OF_MEMORY).
  virtual std::byte* allocate(std::size_t bytes) = 0;
  virtual void release(std::byte* data, std::size_t bytes) noexcept = 0;
  virtual std::size_t bytes_in_use() const = 0;
  virtual std::size_t peak_bytes() const = 0;
  // 0: no limit.
  virtual std::size_t memory_budget() const { return 0; }

  // Allocates zeroed host memory for fast copies to and from the device (page-locked for a GPU), aligned to 64 bytes and
  // not counted. Throws Error(LVX_OUT_OF_MEMORY).
  virtual std::byte* allocate_host(std::size_t bytes) {
    void* data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (data == nullptr) throw Error(LVX_OUT_OF_MEMORY, no_host_memory(bytes));
    return static_cast<std::byte*>(std::memset(data, 0, bytes));
  }
  virtual void release_host(std::byte* data) noexcept { std::free(data); }

  // Throws Error(LVX_INVALID_ARGUMENT) if kernels cannot access this address.
  virtual void check_address(const void*) const {}

  virtual void zero(std::byte* data, std::size_t bytes) = 0;
  // Copies bytes. Source and destination may each be host memory, which must stay valid until synchronize.
  virtual void copy_bytes(const std::byte* from, std::byte* to, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  // Blocks until all enqueued work is complete. Throws Error(LVX_DEVICE_ERROR).
  virtual void synchronize() {}

 protected:
  ~MemoryOperations() = default;
};

}  // namespace lvx
