// SPDX-License-Identifier: Apache-2.0
#include "abi/handles.h"

#include <string>

#include "base/error.h"

namespace lvx {
namespace {

// From the top: 4 bits of type, 40 of serial number, 20 of slot.
constexpr int kSlotBits = 20;
constexpr int kSerialBits = 40;
constexpr std::uint64_t kSlots = std::uint64_t{1} << kSlotBits;
constexpr std::uint64_t kSerialMask = (std::uint64_t{1} << kSerialBits) - 1;

constexpr std::uint64_t slot_in(std::uint64_t handle) { return handle & (kSlots - 1); }
constexpr std::uint64_t serial_in(std::uint64_t handle) { return (handle >> kSlotBits) & kSerialMask; }
constexpr std::uint64_t type_in(std::uint64_t handle) { return handle >> (kSlotBits + kSerialBits); }

const char* name_of_type(std::uint64_t type) {
  switch (static_cast<HandleType>(type)) {
    case HandleType::kDevice:
      return "device";
    case HandleType::kBuffer:
      return "buffer";
    case HandleType::kWorld:
      return "world";
    case HandleType::kGroup:
      return "group";
    case HandleType::kBootstrap:
      return "bootstrap";
  }
  return nullptr;
}

}  // namespace

std::uint64_t HandleTable::add(HandleType type, std::shared_ptr<void> object) {
  const std::lock_guard lock(mutex_);
  if (first_free_ == kNone) {
    if (slots_.size() == kSlots) {
      throw Error(LVX_OUT_OF_MEMORY,
                  "too many handles are open: " + std::to_string(kSlots) + ", close some first");
    }
    slots_.emplace_back();
    first_free_ = slots_.size() - 1;
  }
  const std::size_t slot = first_free_;
  first_free_ = slots_[slot].next_free;
  last_serial_ = last_serial_ == kSerialMask ? 1 : last_serial_ + 1;
  slots_[slot].object = std::move(object);
  slots_[slot].handle =
      static_cast<std::uint64_t>(type) << (kSlotBits + kSerialBits) | last_serial_ << kSlotBits | slot;
  return slots_[slot].handle;
}

std::size_t HandleTable::slot_of(HandleType type, std::uint64_t handle) const {
  const std::string expected = name_of_type(static_cast<std::uint64_t>(type));
  if (handle == 0) {
    throw ArgumentError(LVX_INVALID_HANDLE, expected,
                        "expected the handle of an open " + expected + ", got 0");
  }
  const char* got = name_of_type(type_in(handle));
  const std::uint64_t slot = slot_in(handle);
  const std::uint64_t serial = serial_in(handle);
  if (got == nullptr || slot >= slots_.size() || serial == 0 || serial > last_serial_) {
    throw ArgumentError(LVX_INVALID_HANDLE, expected,
                        std::to_string(handle) + " was never a handle, expected an open " + expected);
  }
  if (type_in(handle) != static_cast<std::uint64_t>(type)) {
    throw ArgumentError(LVX_INVALID_HANDLE, expected,
                        std::string("this is a ") + got + " handle, a " + expected + " was expected");
  }
  if (slots_[slot].handle != handle) {
    throw ArgumentError(LVX_INVALID_HANDLE, expected, "this " + expected + " was closed");
  }
  return slot;
}

std::shared_ptr<void> HandleTable::find(HandleType type, std::uint64_t handle) const {
  const std::lock_guard lock(mutex_);
  return slots_[slot_of(type, handle)].object;
}

std::shared_ptr<void> HandleTable::remove(HandleType type, std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  const std::size_t slot = slot_of(type, handle);
  slots_[slot].handle = 0;
  slots_[slot].next_free = first_free_;
  first_free_ = slot;
  return std::move(slots_[slot].object);
}

HandleTable& handles() {
  // Never destroyed: other threads may still call while the process exits.
  static HandleTable& table = *new HandleTable;
  return table;
}

}  // namespace lvx
