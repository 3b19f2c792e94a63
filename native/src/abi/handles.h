// SPDX-License-Identifier: Apache-2.0
// Handles: numbers that name objects. A handle is a type, a slot and the serial number of what was put into
// the slot, so that closed, stale and forged handles, and those of another type, are detected.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace lvx {

enum class HandleType : std::uint8_t { kDevice = 1, kBuffer = 2, kWorld = 3, kGroup = 4, kBootstrap = 5 };

// Thread-safe. Objects are shared: one that another thread closes lives until its last user is done.
class HandleTable {
 public:
  std::uint64_t add(HandleType type, std::shared_ptr<void> object);
  // Both throw Error(LVX_INVALID_HANDLE) saying what the number is instead.
  std::shared_ptr<void> find(HandleType type, std::uint64_t handle) const;
  std::shared_ptr<void> remove(HandleType type, std::uint64_t handle);

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};

  struct Slot {
    std::uint64_t handle = 0;  // 0: free
    std::shared_ptr<void> object;
    std::size_t next_free = kNone;
  };

  std::size_t slot_of(HandleType type, std::uint64_t handle) const;

  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
  std::size_t first_free_ = kNone;
  std::uint64_t last_serial_ = 0;
};

// The one table of the process.
HandleTable& handles();

template <typename Object>
std::uint64_t add_handle(std::shared_ptr<Object> object) {
  return handles().add(Object::kType, std::move(object));
}

template <typename Object>
std::shared_ptr<Object> find_handle(std::uint64_t handle) {
  return std::static_pointer_cast<Object>(handles().find(Object::kType, handle));
}

template <typename Object>
std::shared_ptr<Object> remove_handle(std::uint64_t handle) {
  return std::static_pointer_cast<Object>(handles().remove(Object::kType, handle));
}

}  // namespace lvx
