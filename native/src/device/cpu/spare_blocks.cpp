// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/spare_blocks.h"

#include <unistd.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <new>

namespace lvx {
namespace {

// With sanitizers, blocks are freed instead of cached: otherwise use after free would go undetected.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif

// An eighth of the machine's memory; 0 if the system cannot reclaim the pages.
std::size_t usual_limit() {
#if defined(MADV_FREE)
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  if (kKeeps && pages > 0 && page > 0)
    return static_cast<std::size_t>(pages) / 8 * static_cast<std::size_t>(page);
#endif
  return 0;
}

}  // namespace

std::shared_ptr<SpareBlocks> SpareBlocks::shared() {
  static std::mutex mutex;
  static std::weak_ptr<SpareBlocks> blocks;
  const std::lock_guard lock(mutex);
  std::shared_ptr<SpareBlocks> held = blocks.lock();
  if (held == nullptr) blocks = held = std::make_shared<SpareBlocks>(usual_limit());
  return held;
}

std::byte* SpareBlocks::take(std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  // The most recently released block is the most likely to still have its pages.
  const auto found = std::find_if(blocks_.rbegin(), blocks_.rend(),
                                  [&](const Block& block) { return block.bytes == bytes; });
  if (found == blocks_.rend()) return nullptr;
  std::byte* data = found->data;
  blocks_.erase(std::next(found).base());
  bytes_ -= bytes;
  return data;
}

void SpareBlocks::keep(std::byte* data, std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  bool kept = false;
#if defined(MADV_FREE)
  if (bytes <= limit_ && madvise(data, bytes, MADV_FREE) == 0) {
    try {
      blocks_.push_back({data, bytes});
      kept = true;
    } catch (const std::bad_alloc&) {
      // The block is then freed.
    }
  }
#endif
  if (!kept) {
    std::free(data);
    return;
  }
  bytes_ += bytes;
  while (bytes_ > limit_) free_oldest();
}

void SpareBlocks::free_oldest() noexcept {
  bytes_ -= blocks_.front().bytes;
  std::free(blocks_.front().data);
  blocks_.pop_front();
}

void SpareBlocks::clear() noexcept {
  const std::lock_guard lock(mutex_);
  while (!blocks_.empty()) free_oldest();
}

}  // namespace lvx
