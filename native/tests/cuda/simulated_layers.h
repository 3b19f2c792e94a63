// SPDX-License-Identifier: Apache-2.0
// The CUDA device's layers without a GPU: the simulator executes kernels, the CPU's BLAS computes matrix products.
#pragma once

#include "cuda/cpu_products.h"
#include "cuda/given.h"
#include "device/cuda/layers/cuda_layers.h"

namespace lvx::testing {

class SimulatedLayers final : public LayerOperations {
 public:
  explicit SimulatedLayers(Device& device)
      : layers_(
            device, [] { return cuda::Queue{}; }, [] { return std::make_unique<CpuProducts>(); }) {}

  std::size_t linear_scratch(std::int64_t rows, std::int64_t in, std::int64_t out,
                             DType dtype) const override {
    return layers_.linear_scratch(rows, in, out, dtype);
  }
  void linear_forward(const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                      std::span<std::byte> scratch) override {
    Given given;
    give(given, x, w, b, y);
    spoil(given, scratch);
    layers_.linear_forward(x, w, b, y, scratch);
  }
  void linear_backward(const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx, bool add_dx,
                       const Parameter& dw, const Parameter& db, std::span<std::byte> scratch) override {
    Given given;
    give(given, x, w, dy, dx, dw, db);
    spoil(given, scratch);
    layers_.linear_backward(x, w, dy, dx, add_dx, dw, db, scratch);
  }

  std::size_t norm_scratch(std::int64_t width) const override { return layers_.norm_scratch(width); }
  void norm_forward(const Norm& norm, const Bshd& x, const Bshd& y) override {
    Given given;
    give(given, norm.weight, norm.bias);
    for (const Bshd* each : {&x, &y}) given.tensor(*each);
    layers_.norm_forward(norm, x, y);
  }
  void norm_backward(const Norm& norm, const Bshd& x, const Bshd& dy, const Bshd& dx, bool add_dx,
                     const Parameter& dweight, const Parameter& dbias,
                     std::span<std::byte> scratch) override {
    Given given;
    give(given, norm.weight, dweight, dbias);
    for (const Bshd* each : {&x, &dy, &dx}) given.tensor(*each);
    spoil(given, scratch);
    layers_.norm_backward(norm, x, dy, dx, add_dx, dweight, dbias, scratch);
  }

  void rotary(double theta, bool inverse, const Bshd& x, const RowIntegers& positions,
              const Bshd& y) override {
    Given given;
    for (const Bshd* each : {&x, &y}) given.tensor(*each);
    given.integers(positions, x.batch, x.rows);
    layers_.rotary(theta, inverse, x, positions, y);
  }

  void swiglu_forward(const Rows& gate, const Rows& up, const Rows& y) override {
    Given given;
    give(given, gate, up, y);
    layers_.swiglu_forward(gate, up, y);
  }
  void swiglu_backward(const Rows& gate, const Rows& up, const Rows& dy, const Rows& dgate,
                       const Rows& dup) override {
    Given given;
    give(given, gate, up, dy, dgate, dup);
    layers_.swiglu_backward(gate, up, dy, dgate, dup);
  }
  void gelu_forward(const Rows& x, const Rows& y) override {
    Given given;
    give(given, x, y);
    layers_.gelu_forward(x, y);
  }
  void gelu_backward(const Rows& x, const Rows& dy, const Rows& dx) override {
    Given given;
    give(given, x, dy, dx);
    layers_.gelu_backward(x, dy, dx);
  }
  void gated_add_forward(const Rows& x, const Rows& branch, const Parameter& gate, const RowIntegers& live,
                         const Rows& y) override {
    Given given;
    give(given, x, branch, gate, y);
    given.integers(live, y.batch, y.rows);
    layers_.gated_add_forward(x, branch, gate, live, y);
  }
  void gated_add_backward(const Rows& branch, const Parameter& gate, const RowIntegers& live, const Rows& dy,
                          const Rows& dbranch, const Parameter& dgate) override {
    Given given;
    give(given, branch, gate, dy, dbranch, dgate);
    given.integers(live, dy.batch, dy.rows);
    layers_.gated_add_backward(branch, gate, live, dy, dbranch, dgate);
  }
  void blend_forward(const Rows& a, const Rows& b, const Parameter& gate, const RowIntegers& live,
                     const Rows& y) override {
    Given given;
    give(given, a, b, gate, y);
    given.integers(live, y.batch, y.rows);
    layers_.blend_forward(a, b, gate, live, y);
  }
  void blend_backward(const Rows& a, const Rows& b, const Parameter& gate, const RowIntegers& live,
                      const Rows& dy, const Rows& da, const Rows& db, const Parameter& dgate) override {
    Given given;
    give(given, a, b, gate, dy, da, db, dgate);
    given.integers(live, dy.batch, dy.rows);
    layers_.blend_backward(a, b, gate, live, dy, da, db, dgate);
  }
  void add(const Rows& x, const Rows& y) override {
    Given given;
    give(given, x, y);
    layers_.add(x, y);
  }
  void clear_rows(const RowIntegers& live, const Rows& x) override {
    Given given;
    give(given, x);
    given.integers(live, x.batch, x.rows);
    layers_.clear_rows(live, x);
  }

 private:
  template <typename... Tensors>
  static void give(Given& given, const Tensors&... tensors) {
    (given.all(tensors), ...);
  }

  cuda::CudaLayers layers_;
};

}  // namespace lvx::testing
