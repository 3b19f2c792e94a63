// SPDX-License-Identifier: Apache-2.0
// Host memory of one device, counted against its budget. Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "device/cpu/spare_blocks.h"

namespace lvx {

class Memory {
 public:
  explicit Memory(std::size_t budget) : budget_(budget) {}

  // Returns memory that is aligned to 64 bytes and not cleared. Throws Error(LVX_OUT_OF_MEMORY).
  std::byte* allocate(std::size_t bytes);
  void release(std::byte* data, std::size_t bytes) noexcept;

  std::size_t budget() const { return budget_; }
  std::size_t in_use() const { return in_use_.load(std::memory_order_relaxed); }
  std::size_t peak() const { return peak_.load(std::memory_order_relaxed); }

 private:
  const std::shared_ptr<SpareBlocks> spares_ = SpareBlocks::shared();
  std::size_t budget_;  // 0: no limit
  std::atomic<std::size_t> in_use_{0};
  std::atomic<std::size_t> peak_{0};
};

}  // namespace lvx
