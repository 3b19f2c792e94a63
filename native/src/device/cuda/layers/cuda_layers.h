// SPDX-License-Identifier: Apache-2.0
// The GPU's layer operations: our own kernels, and matrix products by a library.
#pragma once

#include <functional>
#include <memory>

#include "device/cuda/launch/kernels.h"
#include "device/cuda/layers/products.h"
#include "device/device_memory.h"
#include "device/layers.h"

namespace lvx::cuda {

class CudaLayers final : public LayerOperations {
 public:
  // queue: returns the device's stream, and makes its GPU the calling thread's current device. products: called once, at the
  // first product, which propagates its exceptions.
  CudaLayers(MemoryOperations& device, std::function<Queue()> queue,
             std::function<std::unique_ptr<Products>()> products)
      : device_(device), queue_(std::move(queue)), make_products_(std::move(products)) {}

  std::size_t linear_scratch(std::int64_t rows, std::int64_t in, std::int64_t out,
                             DType dtype) const override;
  void linear_forward(const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                      std::span<std::byte> scratch) override;
  void linear_backward(const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx, bool add_dx,
                       const Parameter& dw, const Parameter& db, std::span<std::byte> scratch) override;

  std::size_t norm_scratch(std::int64_t width) const override;
  void norm_forward(const Norm& norm, const Bshd& x, const Bshd& y) override;
  void norm_backward(const Norm& norm, const Bshd& x, const Bshd& dy, const Bshd& dx, bool add_dx,
                     const Parameter& dweight, const Parameter& dbias, std::span<std::byte> scratch) override;

  void rotary(double theta, bool inverse, const Bshd& x, const RowIntegers& positions,
              const Bshd& y) override;

  void swiglu_forward(const Rows& gate, const Rows& up, const Rows& y) override;
  void swiglu_backward(const Rows& gate, const Rows& up, const Rows& dy, const Rows& dgate,
                       const Rows& dup) override;
  void gelu_forward(const Rows& x, const Rows& y) override;
  void gelu_backward(const Rows& x, const Rows& dy, const Rows& dx) override;
  void gated_add_forward(const Rows& x, const Rows& branch, const Parameter& gate, const RowIntegers& live,
                         const Rows& y) override;
  void gated_add_backward(const Rows& branch, const Parameter& gate, const RowIntegers& live, const Rows& dy,
                          const Rows& dbranch, const Parameter& dgate) override;
  void blend_forward(const Rows& a, const Rows& b, const Parameter& gate, const RowIntegers& live,
                     const Rows& y) override;
  void blend_backward(const Rows& a, const Rows& b, const Parameter& gate, const RowIntegers& live,
                      const Rows& dy, const Rows& da, const Rows& db, const Parameter& dgate) override;
  void add(const Rows& x, const Rows& y) override;
  void clear_rows(const RowIntegers& live, const Rows& x) override;

  // Propagates the exceptions of the products factory.
  Products& products() const;

 private:
  MemoryOperations& device_;
  std::function<Queue()> queue_;
  std::function<std::unique_ptr<Products>()> make_products_;
  mutable std::unique_ptr<Products> products_;
};

}  // namespace lvx::cuda
