// SPDX-License-Identifier: Apache-2.0
#include "standin/cuda/gpu_memory.h"

#include <sys/mman.h>

#include <cstring>
#include <iterator>
#include <new>

namespace lvx::test {
namespace {

constexpr std::size_t kSpan = std::size_t{8}
                              << 30;  // bytes of reserved addresses; the host memory behind them follows
constexpr std::size_t kPage = 4096;

std::size_t pages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

}  // namespace

// Never destroyed, because threads may use it until the process ends.
GpuMemory& GpuMemory::instance() {
  static auto* memory = new GpuMemory();
  return *memory;
}

GpuMemory::GpuMemory() {
  void* reserved = mmap(nullptr, 2 * kSpan, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) throw std::bad_alloc();
  addresses_ = static_cast<std::byte*>(reserved);
}

void* GpuMemory::allocate(int gpu, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > kBytesOfEach - held_[gpu]) return nullptr;
  // First fit, with an additional page so that adjacent allocations do not touch.
  const std::byte* at = addresses_;
  for (const auto& [begin, block] : blocks_) {
    if (static_cast<std::size_t>(begin - at) >= pages(bytes) + kPage) break;
    at = begin + pages(block.bytes) + kPage;
  }
  if (static_cast<std::size_t>(addresses_ + kSpan - at) < pages(bytes)) return nullptr;
  std::byte* real = const_cast<std::byte*>(at) + kSpan;
  if (mprotect(real, pages(bytes), PROT_READ | PROT_WRITE) != 0) return nullptr;
  std::memset(real, 0xff, bytes);
  blocks_[at] = {bytes, gpu};
  held_[gpu] += bytes;
  return const_cast<std::byte*>(at);
}

void GpuMemory::retire(const void* data) {
  const std::lock_guard lock(mutex_);
  const auto found = block_of(data);
  if (found != blocks_.end()) held_[found->second.gpu] -= found->second.bytes;
}

void GpuMemory::release(const void* data) {
  const std::lock_guard lock(mutex_);
  const auto found = block_of(data);
  if (found == blocks_.end()) return;
  std::byte* real = const_cast<std::byte*>(found->first) + kSpan;
  mmap(real, pages(found->second.bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
       -1, 0);
  blocks_.erase(found);
}

std::size_t GpuMemory::free_bytes(int gpu) const {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(gpu);
  return kBytesOfEach - (found == held_.end() ? 0 : found->second);
}

int GpuMemory::owner(const void* data) const {
  const std::lock_guard lock(mutex_);
  const auto found = block_of(data);
  return found == blocks_.end() ? kNoGpu : found->second.gpu;
}

std::byte* GpuMemory::find(const void* data, std::size_t bytes, int gpu) const {
  const std::lock_guard lock(mutex_);
  const auto found = block_of(data);
  if (found == blocks_.end() || (gpu != kNoGpu && found->second.gpu != gpu)) return nullptr;
  const auto* first = static_cast<const std::byte*>(data);
  if (first + bytes > found->first + found->second.bytes) return nullptr;
  return const_cast<std::byte*>(first) + kSpan;
}

bool GpuMemory::reserved(const void* data) const {
  const auto* at = static_cast<const std::byte*>(data);
  return at >= addresses_ && at < addresses_ + 2 * kSpan;
}

GpuMemory::Blocks::const_iterator GpuMemory::block_of(const void* data) const {
  const auto* first = static_cast<const std::byte*>(data);
  const auto after = blocks_.upper_bound(first);
  if (after == blocks_.begin()) return blocks_.end();
  const auto found = std::prev(after);
  return first < found->first + found->second.bytes ? found : blocks_.end();
}

}  // namespace lvx::test
