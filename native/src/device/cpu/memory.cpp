// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/memory.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>

#include "base/error.h"

namespace lvx {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Requests huge pages for large buffers; the system may refuse. Rows of one head are far apart, so with small pages nearly
// every load misses the TLB, which took a third of the time of forward with many heads.
bool is_large(std::size_t bytes) { return bytes >= 2 * kHugePage; }

std::size_t block_bytes(std::size_t bytes) {
  const std::size_t alignment = is_large(bytes) ? kHugePage : kAlignment;
  return (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
}

std::byte* allocate_aligned(std::size_t bytes) {
  void* data = std::aligned_alloc(is_large(bytes) ? kHugePage : kAlignment, block_bytes(bytes));
#if defined(__linux__)
  if (data != nullptr && is_large(bytes)) madvise(data, block_bytes(bytes), MADV_HUGEPAGE);
#endif
  return static_cast<std::byte*>(data);
}

}  // namespace

std::byte* Memory::allocate(std::size_t bytes) {
  std::size_t held = in_use_.load(std::memory_order_relaxed);
  std::size_t then = 0;
  do {
    const std::size_t limit =
        budget_ == 0 ? std::numeric_limits<std::size_t>::max() - 2 * kHugePage : budget_;
    if (bytes > limit || held > limit - bytes) {
      throw Error(LVX_OUT_OF_MEMORY, "cannot allocate " + std::to_string(bytes) +
                                         " bytes: the device holds " + std::to_string(held) +
                                         " of a budget of " + std::to_string(limit));
    }
    then = held + bytes;
  } while (!in_use_.compare_exchange_weak(held, then, std::memory_order_relaxed));

  std::byte* data = is_large(bytes) ? spares_->take(block_bytes(bytes)) : nullptr;
  if (data == nullptr) data = allocate_aligned(bytes);
  if (data == nullptr) {
    spares_->clear();
    data = allocate_aligned(bytes);
  }
  if (data == nullptr) {
    in_use_.fetch_sub(bytes, std::memory_order_relaxed);
    throw Error(LVX_OUT_OF_MEMORY, "the system has no " + std::to_string(bytes) +
                                       " bytes of memory left; the device holds " + std::to_string(held));
  }
  std::size_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < then && !peak_.compare_exchange_weak(peak, then, std::memory_order_relaxed)) {
  }
  return data;
}

void Memory::release(std::byte* data, std::size_t bytes) noexcept {
  if (data == nullptr) return;
  if (is_large(bytes)) {
    spares_->keep(data, block_bytes(bytes));
  } else {
    std::free(data);
  }
  in_use_.fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace lvx
