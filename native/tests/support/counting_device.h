// SPDX-License-Identifier: Apache-2.0
// A device that counts the rows it projects.
#pragma once

#include <memory>

#include "device/layers.h"
#include "support/forwarding_device.h"

namespace lvx::test {

class CountingDevice final : public ForwardingDevice {
 public:
  explicit CountingDevice(std::unique_ptr<Device> device)
      : ForwardingDevice(std::move(device)), layers_(ForwardingDevice::layers()) {}

  // Rows times outputs of all forward products so far.
  std::int64_t projected() const { return layers_.projected; }

  LayerOperations& layers() override { return layers_; }

 private:
  struct Layers final : LayerOperations {
    explicit Layers(LayerOperations& to) : layers(to) {}

    std::size_t linear_scratch(std::int64_t rows, std::int64_t in, std::int64_t out,
                               DType dtype) const override {
      return layers.linear_scratch(rows, in, out, dtype);
    }
    void linear_forward(const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                        std::span<std::byte> scratch) override {
      projected += x.batch * x.rows * y.width;
      layers.linear_forward(x, w, b, y, scratch);
    }
    void linear_backward(const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx, bool add_dx,
                         const Parameter& dw, const Parameter& db, std::span<std::byte> scratch) override {
      layers.linear_backward(x, w, dy, dx, add_dx, dw, db, scratch);
    }
    std::size_t norm_scratch(std::int64_t width) const override { return layers.norm_scratch(width); }
    void norm_forward(const Norm& norm, const Bshd& x, const Bshd& y) override {
      layers.norm_forward(norm, x, y);
    }
    void norm_backward(const Norm& norm, const Bshd& x, const Bshd& dy, const Bshd& dx, bool add_dx,
                       const Parameter& dweight, const Parameter& dbias,
                       std::span<std::byte> scratch) override {
      layers.norm_backward(norm, x, dy, dx, add_dx, dweight, dbias, scratch);
    }
    void rotary(double theta, bool inverse, const Bshd& x, const RowIntegers& positions,
                const Bshd& y) override {
      layers.rotary(theta, inverse, x, positions, y);
    }
    void swiglu_forward(const Rows&, const Rows&, const Rows&) override {}
    void swiglu_backward(const Rows&, const Rows&, const Rows&, const Rows&, const Rows&) override {}
    void gelu_forward(const Rows&, const Rows&) override {}
    void gelu_backward(const Rows&, const Rows&, const Rows&) override {}
    void gated_add_forward(const Rows&, const Rows&, const Parameter&, const RowIntegers&,
                           const Rows&) override {}
    void gated_add_backward(const Rows&, const Parameter&, const RowIntegers&, const Rows&, const Rows&,
                            const Parameter&) override {}
    void blend_forward(const Rows&, const Rows&, const Parameter&, const RowIntegers&, const Rows&) override {
    }
    void blend_backward(const Rows&, const Rows&, const Parameter&, const RowIntegers&, const Rows&,
                        const Rows&, const Rows&, const Parameter&) override {}
    void add(const Rows&, const Rows&) override {}
    void clear_rows(const RowIntegers&, const Rows&) override {}

    LayerOperations& layers;
    std::int64_t projected = 0;
  };

  Layers layers_;
};

}  // namespace lvx::test
