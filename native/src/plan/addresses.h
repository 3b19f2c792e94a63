// SPDX-License-Identifier: Apache-2.0
// Memory that nobody touches: addresses alone, each handed out once.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lvx {

class Addresses {
 public:
  std::byte* take(std::size_t bytes) {
    const std::uintptr_t begin = next_;
    // Never the same address twice, as memory of no bytes has one too.
    next_ += (bytes / kAlignment + 1) * kAlignment;
    return reinterpret_cast<std::byte*>(begin);  // NOLINT(performance-no-int-to-ptr)
  }

 private:
  static constexpr std::uintptr_t kAlignment = 64;

  std::uintptr_t next_ = kAlignment;
};

}  // namespace lvx
