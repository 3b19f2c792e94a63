// SPDX-License-Identifier: Apache-2.0
// Whether a rank's waits for its peers are interrupted, and why. Guarded by the mutex of its owner.
#pragma once

#include <array>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"

namespace lvx {

class Interruption {
 public:
  void set(std::string_view reason) noexcept {
    reason_.fill('\0');
    reason.copy(reason_.data(), reason_.size() - 1);
    set_ = true;
  }
  void clear() noexcept { set_ = false; }
  bool is_set() const noexcept { return set_; }

  // Does nothing unless it is set. peer: the rank that is waited for, or -1 for any.
  void require_none(int peer) const {
    if (!set_) return;
    throw Error(LVX_INTERRUPTED, "interrupted while it waited for " +
                                     (peer < 0 ? std::string("its peers") : "rank " + std::to_string(peer)) +
                                     ": " + reason_.data());
  }

 private:
  bool set_ = false;
  std::array<char, 256> reason_{};  // no std::string: setting it must not throw
};

// The same with a mutex of its own.
class SharedInterruption {
 public:
  void set(std::string_view reason) noexcept {
    const std::lock_guard lock(mutex_);
    interruption_.set(reason);
  }
  void require_none(int peer) const {
    const std::lock_guard lock(mutex_);
    interruption_.require_none(peer);
  }

 private:
  mutable std::mutex mutex_;
  Interruption interruption_;
};

}  // namespace lvx
