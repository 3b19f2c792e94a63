// SPDX-License-Identifier: Apache-2.0
// A device that forwards all calls to another device. Base class for tests that observe or modify a device.
#pragma once

#include <memory>
#include <utility>

#include "device/device.h"

namespace lvx::test {

class ForwardingDevice : public Device {
 public:
  explicit ForwardingDevice(std::shared_ptr<Device> to) : to_(std::move(to)) {}

  lvx_device_kind kind() const override { return to_->kind(); }
  int ordinal() const override { return to_->ordinal(); }
  int threads() const override { return to_->threads(); }
  std::string name() const override { return to_->name(); }
  std::byte* allocate(std::size_t bytes) override { return to_->allocate(bytes); }
  void release(std::byte* data, std::size_t bytes) noexcept override { to_->release(data, bytes); }
  std::size_t bytes_in_use() const override { return to_->bytes_in_use(); }
  std::size_t peak_bytes() const override { return to_->peak_bytes(); }
  void zero(std::byte* data, std::size_t bytes) override { to_->zero(data, bytes); }
  void copy_bytes(const std::byte* from, std::byte* to, std::size_t bytes) override {
    to_->copy_bytes(from, to, bytes);
  }
  void synchronize() override { to_->synchronize(); }
  std::size_t forward_scratch(const ProblemShape& shape, DType dtype) const override {
    return to_->forward_scratch(shape, dtype);
  }
  std::size_t backward_scratch(const ProblemShape& shape, DType dtype) const override {
    return to_->backward_scratch(shape, dtype);
  }
  void forward(const ForwardProblem& problem, std::span<std::byte> scratch) override {
    to_->forward(problem, scratch);
  }
  void backward(const BackwardProblem& problem, std::span<std::byte> scratch) override {
    to_->backward(problem, scratch);
  }
  void merge(const Partial& part, const Partial& into) override { to_->merge(part, into); }
  void delta(const Bshd& o, const Bshd& d_o, const Bhs& delta) override { to_->delta(o, d_o, delta); }
  void copy(const Bshd& from, const Bshd& to) override { to_->copy(from, to); }
  void copy(const Visibility& from, std::int32_t* to) override { to_->copy(from, to); }
  void add(const Bshd& from, const Bshd& to) override { to_->add(from, to); }
  void shards_seen(const Visibility& visibility, std::span<const std::int64_t> bounds,
                   std::span<std::uint8_t> seen) override {
    to_->shards_seen(visibility, bounds, seen);
  }
  LayerOperations& layers() override { return to_->layers(); }
  std::unique_ptr<SideStream> side_stream() override { return to_->side_stream(); }
  double probe_gemm(std::int64_t n) override { return to_->probe_gemm(n); }
  double probe_read(std::size_t bytes) override { return to_->probe_read(bytes); }

 private:
  const std::shared_ptr<Device> to_;
};

}  // namespace lvx::test
