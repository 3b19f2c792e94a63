// SPDX-License-Identifier: Apache-2.0
// Fictitious memory: unique addresses that are never accessed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lvx {

class Addresses {
 public:
  std::byte* take(std::size_t bytes) {
    const std::uintptr_t begin = next_;
    // + 1, so that memory of 0 bytes has a unique address, too.
    next_ += (bytes / kAlignment + 1) * kAlignment;
    return reinterpret_cast<std::byte*>(begin);  // NOLINT(performance-no-int-to-ptr)
  }

 private:
  static constexpr std::uintptr_t kAlignment = 64;

  std::uintptr_t next_ = kAlignment;
};

}  // namespace lvx
