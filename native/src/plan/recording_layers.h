// SPDX-License-Identifier: Apache-2.0
// The layer operations of a RecordingDevice. Supports those that schedules call.
#pragma once

#include "device/layers.h"
#include "plan/steps.h"

namespace lvx {

class RecordingLayers final : public LayerOperations {
 public:
  // scratch: the device that tells how much scratch operations need; null: none.
  RecordingLayers(const LayerOperations* scratch, Steps& steps) : scratch_(scratch), steps_(steps) {}

  std::size_t linear_scratch(std::int64_t rows, std::int64_t in, std::int64_t out,
                             DType dtype) const override {
    return scratch_ == nullptr ? 0 : scratch_->linear_scratch(rows, in, out, dtype);
  }
  void linear_forward(const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                      std::span<std::byte> scratch) override;
  void linear_backward(const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx, bool add_dx,
                       const Parameter& dw, const Parameter& db, std::span<std::byte> scratch) override;
  std::size_t norm_scratch(std::int64_t width) const override {
    return scratch_ == nullptr ? 0 : scratch_->norm_scratch(width);
  }
  void norm_forward(const Norm& norm, const Bshd& x, const Bshd& y) override;
  void norm_backward(const Norm& norm, const Bshd& x, const Bshd& dy, const Bshd& dx, bool add_dx,
                     const Parameter& dweight, const Parameter& dbias, std::span<std::byte> scratch) override;
  void rotary(double theta, bool inverse, const Bshd& x, const RowIntegers& positions,
              const Bshd& y) override;

  // Schedules do not call the following operations.
  void swiglu_forward(const Rows&, const Rows&, const Rows&) override { refuse(); }
  void swiglu_backward(const Rows&, const Rows&, const Rows&, const Rows&, const Rows&) override { refuse(); }
  void gelu_forward(const Rows&, const Rows&) override { refuse(); }
  void gelu_backward(const Rows&, const Rows&, const Rows&) override { refuse(); }
  void gated_add_forward(const Rows&, const Rows&, const Parameter&, const RowIntegers&,
                         const Rows&) override {
    refuse();
  }
  void gated_add_backward(const Rows&, const Parameter&, const RowIntegers&, const Rows&, const Rows&,
                          const Parameter&) override {
    refuse();
  }
  void blend_forward(const Rows&, const Rows&, const Parameter&, const RowIntegers&, const Rows&) override {
    refuse();
  }
  void blend_backward(const Rows&, const Rows&, const Parameter&, const RowIntegers&, const Rows&,
                      const Rows&, const Rows&, const Parameter&) override {
    refuse();
  }
  void add(const Rows&, const Rows&) override { refuse(); }
  void clear_rows(const RowIntegers&, const Rows&) override { refuse(); }

 private:
  [[noreturn]] static void refuse();
  void add_product(double flops);

  const LayerOperations* const scratch_;
  Steps& steps_;
};

}  // namespace lvx
