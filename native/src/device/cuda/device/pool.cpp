// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/device/pool.h"

#include <cstdint>
#include <limits>
#include <string>

#include "base/error.h"
#include "device/cuda/launch/check.h"

namespace lvx::cuda {

Pool::Pool(int ordinal, std::size_t budget) : budget_(budget) {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = ordinal;
  check(cudaMemPoolCreate(&pool_, &properties), "memory pool");
  // The pool keeps freed memory. By default, each synchronisation returns it to the system.
  std::uint64_t keep = std::numeric_limits<std::uint64_t>::max();
  check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "memory pool");
}

Pool::~Pool() { cudaMemPoolDestroy(pool_); }

void Pool::reserve(std::size_t bytes) {
  std::size_t held = in_use();
  std::size_t then = 0;
  do {
    if (budget_ != 0 && (bytes > budget_ || held > budget_ - bytes)) {
      throw Error(LVX_OUT_OF_MEMORY, "cannot allocate " + std::to_string(bytes) +
                                         " bytes: the device holds " + std::to_string(held) +
                                         " of a budget of " + std::to_string(budget_));
    }
    then = held + bytes;
  } while (!in_use_.compare_exchange_weak(held, then, std::memory_order_relaxed));
  std::size_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < then && !peak_.compare_exchange_weak(peak, then, std::memory_order_relaxed)) {
  }
}

std::byte* Pool::allocate(std::size_t bytes, cudaStream_t stream) {
  reserve(bytes);
  void* data = nullptr;
  const cudaError_t result = cudaMallocFromPoolAsync(&data, bytes, pool_, stream);
  if (result == cudaSuccess) return static_cast<std::byte*>(data);
  in_use_.fetch_sub(bytes, std::memory_order_relaxed);
  if (result != cudaErrorMemoryAllocation) check(result, "memory of the GPU");
  cudaGetLastError();
  std::size_t free = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "memory of the GPU");
  throw Error(LVX_OUT_OF_MEMORY, "the GPU has no " + std::to_string(bytes) +
                                     " bytes of memory left; the device holds " + std::to_string(in_use()) +
                                     ", " + std::to_string(free) + " of " + std::to_string(total) +
                                     " are free");
}

void Pool::release(std::byte* data, std::size_t bytes, cudaStream_t stream) noexcept {
  if (data == nullptr) return;
  // Fails only if the context is lost.
  if (cudaFreeAsync(data, stream) != cudaSuccess) cudaGetLastError();
  in_use_.fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace lvx::cuda
