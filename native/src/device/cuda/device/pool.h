// SPDX-License-Identifier: Apache-2.0
// Memory of one GPU, allocated from its own stream-ordered pool and counted against a budget.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstddef>

namespace lvx::cuda {

class Pool {
 public:
  Pool(int ordinal, std::size_t budget);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Allocates memory for later work on the stream. Throws Error(LVX_OUT_OF_MEMORY) with the bytes requested and in use.
  std::byte* allocate(std::size_t bytes, cudaStream_t stream);
  void release(std::byte* data, std::size_t bytes, cudaStream_t stream) noexcept;

  std::size_t budget() const { return budget_; }
  std::size_t in_use() const { return in_use_.load(std::memory_order_relaxed); }
  std::size_t peak() const { return peak_.load(std::memory_order_relaxed); }

 private:
  void reserve(std::size_t bytes);

  cudaMemPool_t pool_ = nullptr;
  std::size_t budget_;  // 0: no limit
  std::atomic<std::size_t> in_use_{0};
  std::atomic<std::size_t> peak_{0};
};

}  // namespace lvx::cuda
