// SPDX-License-Identifier: Apache-2.0
#include "recompute/gradient_sums.h"

#include "base/divide.h"

namespace lvx {
namespace {

std::int64_t terms_of(std::int64_t rows) { return divide_up(rows, GradientSums::kRowsOfTerm); }

Bshd as_bshd(const Parameter& x) { return {x.data, x.dtype, 1, x.rows, 1, x.width, 0, x.row_stride, 0}; }

std::int64_t elements_of(const Parameter& x) { return x.rows * x.width; }

}  // namespace

GradientSums::GradientSums(Device& device, const ProjectionGradients& gradients, std::int64_t rows,
                           std::int64_t tile_rows, DType accumulator)
    : device_(device) {
  if (rows == 0) return;
  const std::int64_t tiles = divide_up(rows, tile_rows);
  if (!needs_groups(tiles * terms_of(tile_rows), accumulator)) return;
  for (const Parameter* gradient :
       {&gradients.weight, &gradients.bias, &gradients.value_weight, &gradients.value_bias,
        &gradients.input_weight, &gradients.input_bias, &gradients.key_weight}) {
    if (!gradient->none()) totals_.push_back({*gradient});
  }
}

void GradientSums::reserve(Workspace& workspace) {
  for (Total& total : totals_) {
    total.piece = workspace.reserve(elements_of(total.gradient) * size_of(DType::kFloat64));
  }
}

void GradientSums::begin(const Workspace& workspace) {
  if (begun_) return;
  begun_ = true;
  for (Total& total : totals_) {
    const Parameter& gradient = total.gradient;
    total.sum = {workspace.at(total.piece), DType::kFloat64, gradient.rows, gradient.width, gradient.width};
    copy(gradient, total.sum);
    zero(gradient);
  }
}

void GradientSums::make_room(std::int64_t rows) {
  terms_ += terms_of(rows);
  if (terms_ <= kTermsOfGroup) return;
  terms_ = terms_of(rows);
  for (const Total& total : totals_) {
    add(total.gradient, total.sum);
    zero(total.gradient);
  }
}

void GradientSums::finish() {
  if (!begun_) return;
  for (const Total& total : totals_) {
    add(total.gradient, total.sum);
    copy(total.sum, total.gradient);
  }
}

void GradientSums::copy(const Parameter& from, const Parameter& to) {
  device_.copy(as_bshd(from), as_bshd(to));
}

void GradientSums::add(const Parameter& from, const Parameter& to) {
  device_.add(as_bshd(from), as_bshd(to));
}

void GradientSums::zero(const Parameter& x) {
  const bool compact = x.rows <= 1 || x.row_stride == x.width;
  const std::int64_t lines = compact ? 1 : x.rows;
  const auto bytes = static_cast<std::size_t>(elements_of(x) / lines * size_of(x.dtype));
  for (std::int64_t line = 0; line < lines; ++line) {
    device_.zero(x.data + line * x.row_stride * size_of(x.dtype), bytes);
  }
}

}  // namespace lvx
