// SPDX-License-Identifier: Apache-2.0
// The objects that handles refer to.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "abi/handles.h"
#include "base/error.h"
#include "group/group.h"
#include "group/local/local_world.h"
#include "group/plugin.h"

namespace lvx {

// Holds an object for one thread; a second thread gets an error instead of waiting.
class InUse {
 public:
  InUse(std::atomic<bool>& flag, const char* what) : flag_(&flag) {
    if (flag.exchange(true, std::memory_order_acquire)) {
      throw ArgumentError(LVX_INVALID_STATE, what, "in use by another thread, expected one thread at a time");
    }
  }
  ~InUse() {
    if (flag_ != nullptr) flag_->store(false, std::memory_order_release);
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

  // For an object that is being closed: it cannot be acquired any more.
  void keep() { flag_ = nullptr; }

 private:
  std::atomic<bool>* flag_;
};

struct DeviceObject {
  static constexpr HandleType kType = HandleType::kDevice;

  explicit DeviceObject(std::shared_ptr<Device> opened) : device(std::move(opened)) {}

  const std::shared_ptr<Device> device;
  std::atomic<bool> busy{false};  // computing

  std::mutex mutex;  // of the rest
  std::uint64_t buffers = 0;
  std::uint64_t groups = 0;
  bool closed = false;
};

// For groups that read and write the memory of their devices themselves.
inline void require_host_memory(const Device& device) {
  if (device.kind() != LVX_CPU) {
    throw ArgumentError(
        LVX_UNSUPPORTED, "device",
        "expected a CPU device, the only one whose memory this kind of group can move, got " + device.name());
  }
}

// Counts one buffer or group of a device, for as long as it lives or until end.
class Tenancy {
 public:
  Tenancy(std::shared_ptr<DeviceObject> device, std::uint64_t DeviceObject::*count)
      : device_(std::move(device)), count_(count) {
    const std::lock_guard lock(device_->mutex);
    if (device_->closed) throw ArgumentError(LVX_INVALID_HANDLE, "device", "this device was closed");
    ++((*device_).*count_);
  }
  ~Tenancy() { end(); }
  Tenancy(const Tenancy&) = delete;
  Tenancy& operator=(const Tenancy&) = delete;

  void end() {
    if (ended_) return;
    const std::lock_guard lock(device_->mutex);
    --((*device_).*count_);
    ended_ = true;
  }
  DeviceObject& device() const { return *device_; }

 private:
  std::shared_ptr<DeviceObject> device_;
  std::uint64_t DeviceObject::*count_;
  bool ended_ = false;
};

struct BufferObject {
  static constexpr HandleType kType = HandleType::kBuffer;

  explicit BufferObject(std::shared_ptr<DeviceObject> device)
      : tenancy(std::move(device), &DeviceObject::buffers) {}
  virtual ~BufferObject() = default;
  BufferObject(const BufferObject&) = delete;
  BufferObject& operator=(const BufferObject&) = delete;

  Device& device() const { return *tenancy.device().device; }

  Tenancy tenancy;
};

class DeviceBuffer final : public BufferObject {
 public:
  DeviceBuffer(std::shared_ptr<DeviceObject> owner, std::size_t bytes)
      : BufferObject(std::move(owner)), memory_(device(), bytes) {
    device().zero(memory_.data(), bytes);
  }
  std::byte* data() const { return memory_.data(); }

 private:
  DeviceMemory memory_;
};

class HostBuffer final : public BufferObject {
 public:
  HostBuffer(std::shared_ptr<DeviceObject> owner, std::size_t bytes)
      : BufferObject(std::move(owner)), data_(device().allocate_host(bytes)) {}
  ~HostBuffer() override { device().release_host(data_); }
  std::byte* data() const { return data_; }

 private:
  std::byte* data_;
};

struct WorldObject {
  static constexpr HandleType kType = HandleType::kWorld;

  explicit WorldObject(std::shared_ptr<LocalWorld> made) : world(std::move(made)) {}

  const std::shared_ptr<LocalWorld> world;
  std::mutex mutex;
  std::vector<lvx_device> devices;         // of the ranks that have joined
  std::optional<lvx_device_kind> all_are;  // their devices
};

struct BootstrapObject {
  static constexpr HandleType kType = HandleType::kBootstrap;

  BootstrapObject(std::unique_ptr<Bootstrap> begun, const GroupOptions& group_options,
                  const JoinOptions& joining)
      : bootstrap(std::move(begun)),
        options(group_options),
        rejected(joining.rejected),
        interruption(joining.interruption) {}

  const std::unique_ptr<Bootstrap> bootstrap;
  const GroupOptions options;
  const std::shared_ptr<const RejectedConnections> rejected;
  const std::shared_ptr<SharedInterruption> interruption;
  std::atomic<bool> busy{false};
};

struct GroupObject {
  static constexpr HandleType kType = HandleType::kGroup;

  GroupObject(std::shared_ptr<DeviceObject> device, std::unique_ptr<Transport> transport,
              const GroupOptions& options)
      : tenancy(std::move(device), &DeviceObject::groups),
        group(std::move(transport), tenancy.device().device, options) {}

  Tenancy tenancy;
  std::atomic<bool> busy{false};
  Group group;
};

}  // namespace lvx
