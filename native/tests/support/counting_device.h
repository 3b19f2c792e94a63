// SPDX-License-Identifier: Apache-2.0
// A device that counts the rows it projects.
#pragma once

#include <memory>

#include "device/device.h"
#include "device/layers.h"

namespace lvx::test {

class CountingDevice final : public Device {
 public:
  explicit CountingDevice(std::unique_ptr<Device> device) : device_(std::move(device)), layers_(*device_) {}

  // Rows times outputs of all forward products since.
  std::int64_t projected() const { return layers_.projected; }

  lvx_device_kind kind() const override { return device_->kind(); }
  int ordinal() const override { return device_->ordinal(); }
  int threads() const override { return device_->threads(); }
  std::string name() const override { return device_->name(); }
  std::byte* allocate(std::size_t bytes) override { return device_->allocate(bytes); }
  void release(std::byte* data, std::size_t bytes) noexcept override { device_->release(data, bytes); }
  std::size_t bytes_in_use() const override { return device_->bytes_in_use(); }
  std::size_t peak_bytes() const override { return device_->peak_bytes(); }
  void zero(std::byte* data, std::size_t bytes) override { device_->zero(data, bytes); }
  std::size_t forward_scratch(const Problem& problem, DType dtype) const override {
    return device_->forward_scratch(problem, dtype);
  }
  std::size_t backward_scratch(const Problem& problem, DType dtype) const override {
    return device_->backward_scratch(problem, dtype);
  }
  void forward(const ForwardArguments& arguments, std::span<std::byte> scratch) override {
    device_->forward(arguments, scratch);
  }
  void backward(const BackwardArguments& arguments, std::span<std::byte> scratch) override {
    device_->backward(arguments, scratch);
  }
  void merge(const Problem& problem, const Partial& part, const Partial& into) override {
    device_->merge(problem, part, into);
  }
  void delta(const Problem& problem, const Bshd& o, const Bshd& d_o, const Bhs& delta) override {
    device_->delta(problem, o, d_o, delta);
  }
  void copy(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim, const Bshd& from,
            const Bshd& to) override {
    device_->copy(batch, rows, heads, dim, from, to);
  }
  void copy(std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
            const Bhs& to) override {
    device_->copy(batch, heads, rows, from, to);
  }
  void add(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim, const Bshd& from,
           const Bshd& to) override {
    device_->add(batch, rows, heads, dim, from, to);
  }
  void copy(std::int64_t batch, std::int64_t rows, const Visibility& from,
            std::int32_t* to_compact) override {
    device_->copy(batch, rows, from, to_compact);
  }
  void shards_seen(std::int64_t batch, std::int64_t rows, const Visibility& visibility,
                   std::span<const std::int64_t> bounds, std::span<std::uint8_t> seen) override {
    device_->shards_seen(batch, rows, visibility, bounds, seen);
  }
  LayerOperations& layers() override { return layers_; }
  double probe_gemm(std::int64_t n) override { return device_->probe_gemm(n); }
  double probe_read(std::size_t bytes) override { return device_->probe_read(bytes); }

 private:
  struct Layers final : LayerOperations {
    explicit Layers(Device& device) : layers(device.layers()) {}

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
    void norm_forward(const Norm& norm, std::int64_t batch, std::int64_t rows, std::int64_t heads,
                      std::int64_t width, const Bshd& x, const Bshd& y) override {
      layers.norm_forward(norm, batch, rows, heads, width, x, y);
    }
    void norm_backward(const Norm& norm, std::int64_t batch, std::int64_t rows, std::int64_t heads,
                       std::int64_t width, const Bshd& x, const Bshd& dy, const Bshd& dx, bool add_dx,
                       const Parameter& dweight, const Parameter& dbias,
                       std::span<std::byte> scratch) override {
      layers.norm_backward(norm, batch, rows, heads, width, x, dy, dx, add_dx, dweight, dbias, scratch);
    }
    void rotary(double theta, bool inverse, std::int64_t batch, std::int64_t rows, std::int64_t heads,
                std::int64_t dim, const Bshd& x, const RowIntegers& positions, const Bshd& y) override {
      layers.rotary(theta, inverse, batch, rows, heads, dim, x, positions, y);
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

  std::unique_ptr<Device> device_;
  Layers layers_;
};

}  // namespace lvx::test
