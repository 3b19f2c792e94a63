// SPDX-License-Identifier: Apache-2.0
#include "plan/recording_layers.h"

#include "base/error.h"

namespace lvx {
namespace {

double product_flops(const Rows& x, const Rows& y) {
  return 2.0 * static_cast<double>(x.batch) * static_cast<double>(x.rows) * static_cast<double>(x.width) *
         static_cast<double>(y.width);
}

}  // namespace

void RecordingLayers::refuse() {
  throw Error(LVX_INTERNAL, "a schedule calls a layer operation that its plan does not know");
}

void RecordingLayers::add_product(double flops) {
  if (flops == 0) return;
  lvx_plan_step step{};
  step.kind = LVX_PLAN_PRODUCT;
  step.flops = flops;
  steps_.add(step);
}

void RecordingLayers::linear_forward(const Rows& x, const Parameter&, const Parameter&, const Rows& y,
                                     std::span<std::byte>) {
  add_product(product_flops(x, y));
}

void RecordingLayers::linear_backward(const Rows& x, const Parameter&, const Rows& dy, const Rows& dx, bool,
                                      const Parameter& dw, const Parameter&, std::span<std::byte>) {
  const int products = (dx.none() ? 0 : 1) + (dw.none() ? 0 : 1);
  add_product(products * product_flops(x, dy));
}

void RecordingLayers::norm_forward(const Norm&, const Bshd& x, const Bshd& y) {
  const std::int64_t elements = x.elements();
  steps_.add_memory(elements * size_of(x.dtype), elements * size_of(y.dtype));
}

void RecordingLayers::norm_backward(const Norm&, const Bshd& x, const Bshd& dy, const Bshd& dx, bool add_dx,
                                    const Parameter&, const Parameter&, std::span<std::byte>) {
  const std::int64_t elements = x.elements();
  const std::int64_t written = dx.data == nullptr ? 0 : elements * size_of(dx.dtype);
  steps_.add_memory(elements * (size_of(x.dtype) + size_of(dy.dtype)) + (add_dx ? written : 0), written);
}

void RecordingLayers::rotary(double, bool, const Bshd& x, const RowIntegers&, const Bshd& y) {
  const std::int64_t elements = x.elements();
  steps_.add_memory(elements * size_of(x.dtype), elements * size_of(y.dtype));
}

}  // namespace lvx
