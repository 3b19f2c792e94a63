// SPDX-License-Identifier: Apache-2.0
// A CPU device that gives side streams as a CUDA device does: what is put on them is done later, in order.
#pragma once

#include <atomic>
#include <cstring>
#include <memory>

#include "device/cpu/cpu_device.h"
#include "standin/host_stream.h"

namespace lvx::test {

class HostSideStream final : public SideStream {
 public:
  void* handle() override { return &stream_; }
  void follow_device() override {}  // the CPU is done when it returns
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

class StreamedDevice final : public Device {
 public:
  std::unique_ptr<SideStream> side_stream() override { return std::make_unique<HostSideStream>(); }

  lvx_device_kind kind() const override { return cpu_->kind(); }
  int ordinal() const override { return cpu_->ordinal(); }
  int threads() const override { return cpu_->threads(); }
  std::string name() const override { return cpu_->name() + " with streams"; }
  std::byte* allocate(std::size_t bytes) override { return cpu_->allocate(bytes); }
  void release(std::byte* data, std::size_t bytes) noexcept override { cpu_->release(data, bytes); }
  std::size_t bytes_in_use() const override { return cpu_->bytes_in_use(); }
  std::size_t peak_bytes() const override { return cpu_->peak_bytes(); }
  void zero(std::byte* data, std::size_t bytes) override { cpu_->zero(data, bytes); }
  std::size_t forward_scratch(const Problem& problem, DType dtype) const override {
    return cpu_->forward_scratch(problem, dtype);
  }
  std::size_t backward_scratch(const Problem& problem, DType dtype) const override {
    return cpu_->backward_scratch(problem, dtype);
  }
  void forward(const ForwardArguments& arguments, std::span<std::byte> scratch) override {
    cpu_->forward(arguments, scratch);
  }
  void backward(const BackwardArguments& arguments, std::span<std::byte> scratch) override {
    cpu_->backward(arguments, scratch);
  }
  void merge(const Problem& problem, const Partial& part, const Partial& into) override {
    cpu_->merge(problem, part, into);
  }
  void delta(const Problem& problem, const Bshd& o, const Bshd& d_o, const Bhs& delta) override {
    cpu_->delta(problem, o, d_o, delta);
  }
  void copy(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim, const Bshd& from,
            const Bshd& to) override {
    cpu_->copy(batch, rows, heads, dim, from, to);
  }
  void copy(std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
            const Bhs& to) override {
    cpu_->copy(batch, heads, rows, from, to);
  }
  void add(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim, const Bshd& from,
           const Bshd& to) override {
    cpu_->add(batch, rows, heads, dim, from, to);
  }
  void copy(std::int64_t batch, std::int64_t rows, const Visibility& from,
            std::int32_t* to_compact) override {
    cpu_->copy(batch, rows, from, to_compact);
  }
  void shards_seen(std::int64_t batch, std::int64_t rows, const Visibility& visibility,
                   std::span<const std::int64_t> bounds, std::span<std::uint8_t> seen) override {
    cpu_->shards_seen(batch, rows, visibility, bounds, seen);
  }
  LayerOperations& layers() override { return cpu_->layers(); }
  double probe_gemm(std::int64_t n) override { return cpu_->probe_gemm(n); }
  double probe_read(std::size_t bytes) override { return cpu_->probe_read(bytes); }

 private:
  const std::unique_ptr<Device> cpu_ = make_cpu_device({.threads = 1});
};

}  // namespace lvx::test
