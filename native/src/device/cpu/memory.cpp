// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/memory.h"

#include <cstdlib>
#include <limits>
#include <string>

#include "base/error.h"

namespace lvx {
namespace {

constexpr std::size_t kAlignment = 64;

}  // namespace

std::byte* Memory::allocate(std::size_t bytes) {
  std::size_t held = in_use_.load(std::memory_order_relaxed);
  std::size_t then = 0;
  do {
    const std::size_t limit = budget_ == 0 ? std::numeric_limits<std::size_t>::max() - kAlignment : budget_;
    if (bytes > limit || held > limit - bytes) {
      throw Error(LVX_OUT_OF_MEMORY, "cannot allocate " + std::to_string(bytes) +
                                         " bytes: the device holds " + std::to_string(held) +
                                         " of a budget of " + std::to_string(limit));
    }
    then = held + bytes;
  } while (!in_use_.compare_exchange_weak(held, then, std::memory_order_relaxed));

  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  auto* data = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded));
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
  std::free(data);
  in_use_.fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace lvx
