// SPDX-License-Identifier: Apache-2.0
// Lays out arrays in the caller's scratch memory. Without memory, only counts the bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lvx {

class Scratch {
 public:
  Scratch() = default;
  explicit Scratch(std::byte* base) : base_(base) {}

  template <typename T>
  T* take(std::int64_t count) {
    std::byte* at = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return reinterpret_cast<T*>(at);
  }

  std::size_t used() const { return used_; }

 private:
  std::byte* base_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace lvx
