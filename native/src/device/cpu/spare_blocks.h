// SPDX-License-Identifier: Apache-2.0
// A cache of large released blocks of host memory. The next allocation of the same size, usually the next call's workspace,
// reuses a block. New memory costs a page fault per 4 KiB or 2 MiB: in a virtual machine 2 MB took 5 ms, up to half of a
// HEAD_ALL_TO_ALL call. The system may reclaim the pages of cached blocks at any time.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

namespace lvx {

class SpareBlocks {
 public:
  // Shared by all devices of the process, and freed with the last one.
  static std::shared_ptr<SpareBlocks> shared();

  // Caches at most that many bytes; the oldest blocks are evicted first.
  explicit SpareBlocks(std::size_t limit) : limit_(limit) {}
  ~SpareBlocks() { clear(); }
  SpareBlocks(const SpareBlocks&) = delete;
  SpareBlocks& operator=(const SpareBlocks&) = delete;

  // Returns a block of exactly that many bytes, or null.
  std::byte* take(std::size_t bytes) noexcept;
  // Takes ownership of a page-aligned block from std::aligned_alloc whose size is a multiple of the page size.
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
  std::deque<Block> blocks_;  // oldest first
  std::size_t bytes_ = 0;
};

}  // namespace lvx
