// SPDX-License-Identifier: Apache-2.0
// Memory of simulated GPUs. Its addresses are reserved but inaccessible, so that host code that accesses them crashes. The
// contents are in host memory, at a fixed offset.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

namespace lvx::test {

class GpuMemory {
 public:
  static constexpr std::size_t kBytesOfEach = std::size_t{256} << 20;
  static constexpr int kNoGpu = -1;

  // Shared by all GPUs of the process.
  static GpuMemory& instance();

  // Returns memory filled with 0xff bytes; null if the GPU has not enough memory.
  void* allocate(int gpu, std::size_t bytes);
  // Frees in two steps, like a stream: retire makes the bytes available for new allocations, release removes the block.
  void retire(const void* data);
  void release(const void* data);

  std::size_t free_bytes(int gpu) const;
  // The GPU that owns the memory, or kNoGpu.
  int owner(const void* data) const;
  // The host address of bytes of a GPU, or of any GPU for kNoGpu; null if they are not within one allocation.
  std::byte* find(const void* data, std::size_t bytes, int gpu) const;
  // Whether an address is in the range reserved for GPUs.
  bool reserved(const void* data) const;

 private:
  GpuMemory();

  struct Block {
    std::size_t bytes;
    int gpu;
  };
  using Blocks = std::map<const std::byte*, Block>;

  Blocks::const_iterator block_of(const void* data) const;

  mutable std::mutex mutex_;
  std::byte* addresses_;
  Blocks blocks_;
  std::map<int, std::size_t> held_;
};

}  // namespace lvx::test
