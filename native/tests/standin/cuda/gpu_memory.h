// SPDX-License-Identifier: Apache-2.0
// Memory of simulated GPUs: its addresses are reserved and never mapped, so that a host that touches them crashes. What
// lies there lies elsewhere on the host, a fixed distance away.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

namespace lvx::test {

class GpuMemory {
 public:
  static constexpr std::size_t kBytesOfEach = std::size_t{256} << 20;
  static constexpr int kNoGpu = -1;

  // Of all GPUs of the process.
  static GpuMemory& instance();

  // Filled with 0xff bytes; null: the GPU's memory does not suffice.
  void* allocate(int gpu, std::size_t bytes);
  // In two steps, as a stream does it: what is freed can be had again before it goes.
  void retire(const void* data);
  void release(const void* data);

  std::size_t free_bytes(int gpu) const;
  // Which GPU's, or kNoGpu.
  int owner(const void* data) const;
  // Where bytes of a GPU, or of any for kNoGpu, lie on the host; null: not in one allocation.
  std::byte* find(const void* data, std::size_t bytes, int gpu) const;
  // Whether an address can only be a GPU's.
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
