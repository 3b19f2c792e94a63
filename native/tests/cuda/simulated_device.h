// SPDX-License-Identifier: Apache-2.0
// The CUDA device without a GPU: the simulator executes the same launches and the same kernels on host memory. Kernels may
// access only the tensors of their call and the memory of the device.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

#include "cuda/given.h"
#include "cuda/simulated_layers.h"
#include "device/cuda/launch/attention.h"
#include "device/cuda/launch/tensors.h"
#include "device/device.h"
#include "device/shards_seen.h"

namespace lvx::testing {

class SimulatedDevice : public Device {
 public:
  explicit SimulatedDevice(const cuda::Cutting& cutting = {}) : cutting_(cutting) {}

  lvx_device_kind kind() const override { return LVX_CUDA; }
  int ordinal() const override { return 0; }
  int threads() const override { return 1; }
  std::string name() const override { return "simulated"; }

  std::byte* allocate(std::size_t bytes) override {
    in_use_ += bytes;
    peak_ = std::max(peak_, in_use_);
    auto* data = static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
    spoil(given_[data], {data, bytes});
    return data;
  }
  void release(std::byte* data, std::size_t bytes) noexcept override {
    in_use_ -= bytes;
    given_.erase(data);
    std::free(data);
  }
  std::size_t bytes_in_use() const override { return in_use_; }
  std::size_t peak_bytes() const override { return peak_; }
  void zero(std::byte* data, std::size_t bytes) override { std::memset(data, 0, bytes); }

  std::size_t forward_scratch(const ProblemShape& shape, DType dtype) const override {
    return cuda::forward_scratch(shape, dtype, cutting_);
  }
  std::size_t backward_scratch(const ProblemShape& shape, DType dtype) const override {
    return cuda::backward_scratch(shape, dtype, cutting_);
  }

  void forward(const ForwardProblem& a, std::span<std::byte> scratch) override {
    Given given;
    give(given, a, scratch);
    cuda::forward({}, a, scratch, cutting_);
  }

  void backward(const BackwardProblem& a, std::span<std::byte> scratch) override {
    Given given;
    give(given, a, scratch);
    cuda::backward({}, a, scratch, cutting_);
  }

  void merge(const Partial& part, const Partial& into) override {
    Given given;
    given.tensor(part.o);
    given.tensor(into.o);
    for (const Bhs* x : {&part.lse, &part.bias_max, &into.lse, &into.bias_max}) given.rows(*x);
    cuda::merge({}, part, into);
  }
  void delta(const Bshd& o, const Bshd& d_o, const Bhs& delta) override {
    Given given;
    given.tensor(o);
    given.tensor(d_o);
    given.rows(delta);
    cuda::delta({}, o, d_o, delta);
  }
  void copy(const Bshd& from, const Bshd& to) override {
    Given given;
    given.tensor(from);
    given.tensor(to);
    cuda::copy({}, from, to, false);
  }
  void copy(const Visibility& from, std::int32_t* to) override {
    Given given;
    given.visibility(from);
    given.visibility(compact_visibility(to, from.batch, from.rows, from.ranges));
    cuda::copy({}, from, to);
  }
  void add(const Bshd& from, const Bshd& to) override {
    Given given;
    given.tensor(from);
    given.tensor(to);
    cuda::copy({}, from, to, true);
  }
  void shards_seen(const Visibility& visibility, std::span<const std::int64_t> bounds,
                   std::span<std::uint8_t> seen) override {
    find_shards_seen(visibility, bounds, seen);
  }

  LayerOperations& layers() override { return layers_; }
  double probe_gemm(std::int64_t) override { return 0; }
  double probe_read(std::size_t) override { return 0; }

 private:
  cuda::Cutting cutting_;
  std::size_t in_use_ = 0;
  std::size_t peak_ = 0;
  std::map<std::byte*, Given> given_;  // memory that this device has allocated
  SimulatedLayers layers_{*this};
};

}  // namespace lvx::testing
