// SPDX-License-Identifier: Apache-2.0
// A device that records operations instead of executing them. Its memory consists of fictitious addresses.
#pragma once

#include <algorithm>

#include "device/device.h"
#include "plan/addresses.h"
#include "plan/planned_call.h"
#include "plan/recording_layers.h"
#include "plan/steps.h"

namespace lvx {

class RecordingDevice final : public Device {
 public:
  // scratch: the device that tells how much scratch kernels need; null: none.
  RecordingDevice(const PlannedCall& planned, Device* scratch, Steps& steps);

  // Memory of the caller, which is not counted.
  std::byte* place(std::int64_t bytes) { return addresses_.take(static_cast<std::size_t>(bytes)); }

  lvx_device_kind kind() const override { return scratch_ == nullptr ? LVX_CPU : scratch_->kind(); }
  int ordinal() const override { return 0; }
  int threads() const override { return 1; }
  std::string name() const override { return "a plan"; }

  std::byte* allocate(std::size_t bytes) override {
    in_use_ += bytes;
    peak_ = std::max(peak_, in_use_);
    return addresses_.take(bytes);
  }
  void release(std::byte*, std::size_t bytes) noexcept override { in_use_ -= bytes; }
  std::size_t bytes_in_use() const override { return in_use_; }
  std::size_t peak_bytes() const override { return peak_; }
  void zero(std::byte* data, std::size_t bytes) override;
  void copy_bytes(const std::byte* from, std::byte* to, std::size_t bytes) override;

  std::size_t forward_scratch(const ProblemShape& shape, DType dtype) const override {
    return scratch_ == nullptr ? 0 : scratch_->forward_scratch(shape, dtype);
  }
  std::size_t backward_scratch(const ProblemShape& shape, DType dtype) const override {
    return scratch_ == nullptr ? 0 : scratch_->backward_scratch(shape, dtype);
  }
  void forward(const ForwardProblem& problem, std::span<std::byte> scratch) override;
  void backward(const BackwardProblem& problem, std::span<std::byte> scratch) override;
  void merge(const Partial& part, const Partial& into) override;
  void delta(const Bshd& o, const Bshd& d_o, const Bhs& delta) override;
  void copy(const Bshd& from, const Bshd& to) override;
  void copy(const Visibility& from, std::int32_t* to) override;
  void add(const Bshd& from, const Bshd& to) override;
  // A plan has no range values, so every nonempty shard counts as seen. RecordingTransport supplies which ranks see which.
  void shards_seen(const Visibility& visibility, std::span<const std::int64_t> bounds,
                   std::span<std::uint8_t> seen) override;
  LayerOperations& layers() override { return layers_; }
  double probe_gemm(std::int64_t n) override;
  double probe_read(std::size_t bytes) override;

 private:
  void add_attention(const ProblemShape& shape);

  Device* const scratch_;
  Steps& steps_;
  RecordingLayers layers_;
  std::vector<std::int64_t> query_begin_, key_begin_;  // by rank
  Addresses addresses_;
  std::size_t in_use_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace lvx
