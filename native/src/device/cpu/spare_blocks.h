// SPDX-License-Identifier: Apache-2.0
// Large blocks of host memory that were released lately, for whoever allocates as many bytes next: a call's workspace,
// mostly, whose next one needs the same. Memory that was never touched costs a page fault each 4 KiB or 2 MiB, as long
// as copying what is put there, and many times that in a virtual machine. The system may take the pages back at any
// time without asking, so that nothing is kept from anybody.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

namespace lvx {

class SpareBlocks {
 public:
  // The process's; freed with the last device.
  static std::shared_ptr<SpareBlocks> shared();

  // At most so many bytes; what was released first goes first.
  explicit SpareBlocks(std::size_t limit) : limit_(limit) {}
  ~SpareBlocks() { clear(); }
  SpareBlocks(const SpareBlocks&) = delete;
  SpareBlocks& operator=(const SpareBlocks&) = delete;

  // A block of exactly so many bytes, or null.
  std::byte* take(std::size_t bytes) noexcept;
  // Takes over a block of std::aligned_alloc that begins and ends at a page of the system.
  void keep(std::byte* data, std::size_t bytes) noexcept;
  void clear() noexcept;

  std::size_t limit() const { return limit_; }

 private:
  struct Block {
    std::byte* data;
    std::size_t bytes;
  };

  void free_oldest() noexcept;

  const std::size_t limit_;
  std::mutex mutex_;
  std::deque<Block> blocks_;  // the oldest first
  std::size_t bytes_ = 0;
};

}  // namespace lvx
