// SPDX-License-Identifier: Apache-2.0
// A CPU device with side streams like a CUDA device's: they execute work asynchronously, in order.
#pragma once

#include <atomic>
#include <cstring>
#include <memory>

#include "device/cpu/cpu_device.h"
#include "standin/host_stream.h"
#include "support/forwarding_device.h"

namespace lvx::test {

class HostSideStream final : public SideStream {
 public:
  void* handle() override { return &stream_; }
  void follow_device() override {}  // CPU operations are complete when they return
  void copy(const std::byte* from, std::byte* to, std::size_t bytes) override {
    stream_.enqueue([=] { std::memcpy(to, from, bytes); });
  }
  std::unique_ptr<Mark> mark() override {
    const auto passed = std::make_shared<std::atomic<bool>>(false);
    stream_.enqueue([passed] {
      *passed = true;
      passed->notify_all();
    });
    return std::make_unique<Flag>(passed);
  }
  void follow(const Mark& mark) override {
    const auto before = static_cast<const Flag&>(mark).flag();
    stream_.enqueue([before] { before->wait(false); });
  }

 private:
  class Flag final : public Mark {
   public:
    explicit Flag(std::shared_ptr<std::atomic<bool>> passed) : passed_(std::move(passed)) {}
    bool passed() override { return *passed_; }
    const std::shared_ptr<std::atomic<bool>>& flag() const { return passed_; }

   private:
    const std::shared_ptr<std::atomic<bool>> passed_;
  };

  HostStream stream_;
};

class StreamedDevice final : public ForwardingDevice {
 public:
  StreamedDevice() : ForwardingDevice(make_cpu_device({.threads = 1})) {}

  std::unique_ptr<SideStream> side_stream() override { return std::make_unique<HostSideStream>(); }
  std::string name() const override { return ForwardingDevice::name() + " with streams"; }
};

}  // namespace lvx::test
