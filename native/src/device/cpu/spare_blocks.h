// SPDX-License-Identifier: Apache-2.0
// A cache of released large blocks of host memory, for the next allocation of the same size: usually the workspace
// of the next call. New memory costs a page fault each 4 KiB or 2 MiB. In a virtual machine 2 MB took 5 ms, up to
// half of a HEAD_ALL_TO_ALL call. The system may reclaim the pages at any time.
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

  // At most that many bytes; the oldest blocks are dropped first.
  explicit SpareBlocks(std::size_t limit) : limit_(limit) {}
  ~SpareBlocks() { clear(); }
  SpareBlocks(const SpareBlocks&) = delete;
  SpareBlocks& operator=(const SpareBlocks&) = delete;

  // A block of exactly that many bytes, or null.
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
