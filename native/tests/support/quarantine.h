// SPDX-License-Identifier: Apache-2.0
// Keeps the memory that devices release, and detects writes into it. With AddressSanitizer, memory is freed instead, because
// AddressSanitizer has its own quarantine and reports the writer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "support/forwarding_device.h"

namespace lvx::test {

class Quarantine {
 public:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr bool kKeeps = false;
#else
  static constexpr bool kKeeps = true;
#endif

  Quarantine() = default;
  Quarantine(const Quarantine&) = delete;
  Quarantine& operator=(const Quarantine&) = delete;
  ~Quarantine() {
    for (const Block& block : blocks_) block.release();
  }

  void keep(std::byte* data, std::size_t bytes, std::function<void()> release) {
    if (!kKeeps) return release();
    std::memset(data, kPattern, bytes);
    const std::lock_guard lock(mutex_);
    blocks_.push_back({data, bytes, std::move(release)});
  }

  // The blocks that were written after their release. To be called when no more writes are possible.
  std::ptrdiff_t spoilt() const {
    return std::count_if(blocks_.begin(), blocks_.end(), [](const Block& block) {
      return std::any_of(block.data, block.data + block.bytes,
                         [](std::byte byte) { return byte != std::byte{kPattern}; });
    });
  }

 private:
  static constexpr unsigned char kPattern = 0xA7;

  struct Block {
    std::byte* data;
    std::size_t bytes;
    std::function<void()> release;
  };
  std::mutex mutex_;
  std::vector<Block> blocks_;
};

// A device whose released memory goes into quarantine.
class QuarantineDevice : public ForwardingDevice {
 public:
  QuarantineDevice(std::shared_ptr<Device> to, Quarantine& quarantine)
      : ForwardingDevice(to), to_(std::move(to)), quarantine_(quarantine) {}

  void release(std::byte* data, std::size_t bytes) noexcept override {
    quarantine_.keep(data, bytes, [to = to_, data, bytes] { to->release(data, bytes); });
  }

 private:
  const std::shared_ptr<Device> to_;
  Quarantine& quarantine_;
};

}  // namespace lvx::test
