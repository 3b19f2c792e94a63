// SPDX-License-Identifier: Apache-2.0
// The CUDA device without a GPU: the same launches and the same kernels, run by the simulator on host memory. Kernels may
// touch the tensors of each call and nothing else.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "device/cuda/host/simulator.h"
#include "device/cuda/launch/attention.h"
#include "device/cuda/launch/tensors.h"
#include "device/device.h"
#include "device/shards_seen.h"

namespace lvx::testing {

// Everything between the first and the last element of each tensor of a call.
class Given {
 public:
  void tensor(const Bshd& x, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim) {
    if (x.data == nullptr || batch * rows * heads * dim == 0) return;
    range(x.data,
          ((batch - 1) * x.batch_stride + (rows - 1) * x.row_stride + (heads - 1) * x.head_stride + dim) *
              size_of(x.dtype));
  }
  void rows(const Bhs& x, std::int64_t batch, std::int64_t heads, std::int64_t rows) {
    if (batch * heads * rows == 0) return;
    range(x.data, ((batch - 1) * x.batch_stride + (heads - 1) * x.head_stride + rows) * size_of(x.dtype));
  }
  void bias(const Bias& x, const Problem& p) {
    if (!x.none()) tensor(as_bshd(x), p.batch, p.queries, p.query_heads, p.keys);
  }
  void visibility(const Visibility& x, std::int64_t batch, std::int64_t rows) {
    if (x.everything() || batch * rows * x.ranges == 0) return;
    range(
        reinterpret_cast<const std::byte*>(x.data),
        ((batch - 1) * x.batch_stride + (rows - 1) * x.row_stride + (x.ranges - 1) * x.range_stride + 2) * 4);
  }
  void range(const std::byte* data, std::int64_t bytes) {
    if (bytes > 0) ranges_.emplace_back(std::span(data, static_cast<std::size_t>(bytes)));
  }
  void queries(const Problem& p, const Bshd& x) { tensor(x, p.batch, p.queries, p.query_heads, p.head_dim); }
  void keys(const Problem& p, const Bshd& x) { tensor(x, p.batch, p.keys, p.key_heads, p.head_dim); }
  void sums(const Problem& p, const Bhs& x) { rows(x, p.batch, p.query_heads, p.queries); }
  // Scratch holds NaN, so that what is read before it is written is seen.
  void scratch(std::span<std::byte> scratch) {
    std::fill(scratch.begin(), scratch.end(), std::byte{0xff});
    range(scratch.data(), static_cast<std::int64_t>(scratch.size()));
  }
  void forward(const ForwardArguments& a, std::span<std::byte> memory) {
    queries(a.problem, a.q);
    keys(a.problem, a.k);
    keys(a.problem, a.v);
    queries(a.problem, a.out.o);
    sums(a.problem, a.out.lse);
    bias(a.bias, a.problem);
    visibility(a.visibility, a.problem.batch, a.problem.queries);
    scratch(memory);
  }
  void backward(const BackwardArguments& a, std::span<std::byte> memory) {
    for (const Bshd* x : {&a.q, &a.d_o, &a.dq}) queries(a.problem, *x);
    for (const Bshd* x : {&a.k, &a.v, &a.dk, &a.dv}) keys(a.problem, *x);
    sums(a.problem, a.lse);
    sums(a.problem, a.delta);
    bias(a.bias, a.problem);
    bias(a.d_bias, a.problem);
    visibility(a.visibility, a.problem.batch, a.problem.queries);
    scratch(memory);
  }

 private:
  std::deque<cuda::host::Registered> ranges_;
};

class SimulatedDevice : public Device {
 public:
  // multiprocessors decides how many splits there are.
  explicit SimulatedDevice(int multiprocessors) : multiprocessors_(multiprocessors) {}

  lvx_device_kind kind() const override { return LVX_CUDA; }
  int ordinal() const override { return 0; }
  int threads() const override { return 1; }
  std::string name() const override { return "simulated"; }

  std::byte* allocate(std::size_t bytes) override {
    in_use_ += bytes;
    peak_ = std::max(peak_, in_use_);
    return static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
  }
  void release(std::byte* data, std::size_t bytes) noexcept override {
    in_use_ -= bytes;
    std::free(data);
  }
  std::size_t bytes_in_use() const override { return in_use_; }
  std::size_t peak_bytes() const override { return peak_; }
  void zero(std::byte* data, std::size_t bytes) override { std::memset(data, 0, bytes); }

  std::size_t forward_scratch(const Problem& problem, DType dtype) const override {
    return cuda::forward_scratch(problem, dtype, multiprocessors_);
  }
  std::size_t backward_scratch(const Problem& problem, DType dtype) const override {
    return cuda::backward_scratch(problem, dtype, multiprocessors_);
  }

  void forward(const ForwardArguments& a, std::span<std::byte> scratch) override {
    Given given;
    given.forward(a, scratch);
    cuda::forward({}, multiprocessors_, a, scratch);
  }

  void backward(const BackwardArguments& a, std::span<std::byte> scratch) override {
    Given given;
    given.backward(a, scratch);
    cuda::backward({}, multiprocessors_, a, scratch);
  }

  void merge(const Problem& p, const Partial& part, const Partial& into) override {
    Given given;
    given.queries(p, part.o);
    given.queries(p, into.o);
    given.sums(p, part.lse);
    given.sums(p, into.lse);
    cuda::merge({}, p, part, into);
  }
  void delta(const Problem& p, const Bshd& o, const Bshd& d_o, const Bhs& delta) override {
    Given given;
    given.queries(p, o);
    given.queries(p, d_o);
    given.sums(p, delta);
    cuda::delta({}, p, o, d_o, delta);
  }
  void copy(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim, const Bshd& from,
            const Bshd& to) override {
    Given given;
    given.tensor(from, batch, rows, heads, dim);
    given.tensor(to, batch, rows, heads, dim);
    cuda::copy({}, batch, rows, heads, dim, from, to, false);
  }
  void copy(std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
            const Bhs& to) override {
    Given given;
    given.rows(from, batch, heads, rows);
    given.rows(to, batch, heads, rows);
    cuda::copy({}, batch, heads, rows, from, to);
  }
  void add(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim, const Bshd& from,
           const Bshd& to) override {
    Given given;
    given.tensor(from, batch, rows, heads, dim);
    given.tensor(to, batch, rows, heads, dim);
    cuda::copy({}, batch, rows, heads, dim, from, to, true);
  }
  void copy(std::int64_t batch, std::int64_t rows, const Visibility& from, std::int32_t* to) override {
    Given given;
    given.visibility(from, batch, rows);
    given.visibility(compact_visibility(to, rows, from.ranges), batch, rows);
    cuda::copy({}, batch, rows, from, to);
  }
  void shards_seen(std::int64_t batch, std::int64_t rows, const Visibility& visibility,
                   std::span<const std::int64_t> bounds, std::span<std::uint8_t> seen) override {
    find_shards_seen(batch, rows, visibility, bounds, seen);
  }

  LayerOperations& layers() override { std::abort(); }  // no kernels yet
  double probe_gemm(std::int64_t) override { return 0; }
  double probe_read(std::size_t) override { return 0; }

 private:
  int multiprocessors_;
  std::size_t in_use_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace lvx::testing
