// SPDX-License-Identifier: Apache-2.0
#include "recompute/key_projection.h"

#include <algorithm>

namespace lvx {
namespace {

Bshd one_head(const Rows& rows) {
  return {rows.data,  rows.dtype,        rows.batch,      rows.rows, 1,
          rows.width, rows.batch_stride, rows.row_stride, rows.width};
}

Rows compact_rows(std::byte* data, DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t width) {
  return {data, dtype, batch, rows, width, rows * width, width};
}

RowIntegers from_row(const RowIntegers& values, std::int64_t row) {
  RowIntegers view = values;
  if (!values.none()) view.data += row * values.row_stride;
  return view;
}

}  // namespace

KeyProjection::KeyProjection(Device& device, const Projection& projection, const Rows& features,
                             std::int64_t tile_rows, Use use, const ProjectionGradients& gradients)
    : device_(device),
      layers_(device.layers()),
      projection_(projection),
      features_(features),
      tile_rows_(std::min(tile_rows, features.rows)),
      use_(use),
      accumulator_(accumulator_of(features.dtype)),
      keeps_raw_(use == Use::kBackward && projection.key_norm.kind != LVX_NORM_NONE),
      gradients_(gradients),
      sums_(device, gradients, features.batch * features.rows, features.batch * tile_rows_, accumulator_) {}

void KeyProjection::reserve(Workspace& workspace) {
  const std::int64_t rows = features_.batch * tile_rows_;
  const std::int64_t key_width = projection_.key_width();
  const std::int64_t element = size_of(features_.dtype);
  const std::int64_t sum = size_of(accumulator_);
  const bool normed = projection_.input_norm.kind != LVX_NORM_NONE;
  if (normed) input_piece_ = workspace.reserve(rows * projection_.width * element);
  product_piece_ = workspace.reserve(rows * 2 * key_width * element);
  if (keeps_raw_) keys_piece_ = workspace.reserve(rows * key_width * element);
  if (use_ == Use::kForward) return;
  gradient_piece_ = workspace.reserve(rows * 2 * key_width * sum);
  if (normed) d_input_piece_ = workspace.reserve(rows * projection_.width * sum);
  sums_.reserve(workspace);
}

std::size_t KeyProjection::scratch_bytes() const {
  const std::int64_t products = projection_.layout == LVX_KEY_VALUE_SEPARATE ? 1 : 2;
  std::size_t bytes = layers_.linear_scratch(features_.batch * tile_rows_, projection_.width,
                                             products * projection_.key_width(), features_.dtype);
  if (use_ == Use::kBackward) {
    bytes = std::max(bytes, layers_.norm_scratch(projection_.width));
    bytes = std::max(bytes, layers_.norm_scratch(projection_.head_dim));
  }
  return bytes;
}

void KeyProjection::begin(const Workspace& workspace, std::span<std::byte> scratch) {
  workspace_ = &workspace;
  scratch_ = scratch;
}

Rows KeyProjection::product_at(std::byte* data, DType dtype) const {
  return compact_rows(data, dtype, features_.batch, rows_, 2 * projection_.key_width());
}

Bshd KeyProjection::keys_of(const Rows& product) const {
  const std::int64_t head_stride =
      projection_.layout == LVX_KEY_VALUE_INTERLEAVED ? 2 * projection_.head_dim : projection_.head_dim;
  return {product.data,         product.dtype,        product.batch,      product.rows, projection_.key_heads,
          projection_.head_dim, product.batch_stride, product.row_stride, head_stride};
}

Bshd KeyProjection::values_of(const Rows& product) const {
  Bshd values = keys_of(product);
  const std::int64_t before =
      projection_.layout == LVX_KEY_VALUE_INTERLEAVED ? projection_.head_dim : projection_.key_width();
  values.data += before * size_of(product.dtype);
  return values;
}

void KeyProjection::open(std::int64_t begin, std::int64_t end) {
  begin_ = begin;
  rows_ = end - begin;
  tile_ = features_.part(begin, end);
  input_ = tile_;
  if (projection_.input_norm.kind != LVX_NORM_NONE) {
    input_ = compact_rows(workspace_->at(input_piece_), tile_.dtype, tile_.batch, rows_, tile_.width);
    layers_.norm_forward(projection_.input_norm, one_head(tile_), one_head(input_));
  }
  product_ = product_at(workspace_->at(product_piece_), tile_.dtype);
  if (use_ == Use::kBackward) gradient_ = product_at(workspace_->at(gradient_piece_), accumulator_);
}

void KeyProjection::project() {
  const std::int64_t key_width = projection_.key_width();
  if (projection_.layout == LVX_KEY_VALUE_SEPARATE) {
    layers_.linear_forward(input_, projection_.weight, projection_.bias, product_.columns(0, key_width),
                           scratch_);
    layers_.linear_forward(input_, projection_.value_weight, projection_.value_bias,
                           product_.columns(key_width, 2 * key_width), scratch_);
  } else {
    layers_.linear_forward(input_, projection_.weight, projection_.bias, product_, scratch_);
  }
  finished_ = raw_keys();
}

void KeyProjection::finish_keys() {
  if (keeps_raw_) {
    finished_ = compact_bshd(workspace_->at(keys_piece_), tile_.dtype, tile_.batch, rows_,
                             projection_.key_heads, projection_.head_dim);
  }
  lvx::finish_keys(device_, projection_, raw_keys(), from_row(projection_.positions, begin_), finished_);
}

void KeyProjection::push(const Bshd& raw_keys, const Rows& d_features) {
  sums_.begin(*workspace_);
  const Bshd dk = key_gradients();
  if (projection_.rotary) {
    layers_.rotary(projection_.theta, true, dk, from_row(projection_.positions, begin_), dk);
  }
  if (projection_.key_norm.kind != LVX_NORM_NONE) {
    layers_.norm_backward(projection_.key_norm, raw_keys, dk, dk, false, gradients_.key_weight, {}, scratch_);
  }
  Rows d_tile;
  if (!d_features.none()) d_tile = d_features.part(begin_, begin_ + rows_);
  if (projection_.input_norm.kind == LVX_NORM_NONE) return push_products(d_tile, true);

  const bool wants_input = !d_tile.none() || !gradients_.input_weight.none() || !gradients_.input_bias.none();
  if (!wants_input) return push_products({}, false);
  const Rows d_input =
      compact_rows(workspace_->at(d_input_piece_), accumulator_, tile_.batch, rows_, tile_.width);
  push_products(d_input, false);
  layers_.norm_backward(projection_.input_norm, one_head(tile_), one_head(d_input), one_head(d_tile), true,
                        gradients_.input_weight, gradients_.input_bias, scratch_);
}

void KeyProjection::push_products(const Rows& d_input, bool add) {
  const std::int64_t key_width = projection_.key_width();
  const std::int64_t step =
      std::max<std::int64_t>(1, GradientSums::kRowsOfGroup / std::max<std::int64_t>(1, tile_.batch));
  for (std::int64_t begin = 0; begin < rows_; begin += step) {
    const std::int64_t end = std::min(rows_, begin + step);
    const Rows input = input_.part(begin, end);
    const Rows gradient = gradient_.part(begin, end);
    const Rows d_part = d_input.none() ? d_input : d_input.part(begin, end);
    sums_.make_room(tile_.batch * (end - begin));
    if (projection_.layout == LVX_KEY_VALUE_SEPARATE) {
      layers_.linear_backward(input, projection_.weight, gradient.columns(0, key_width), d_part, add,
                              gradients_.weight, gradients_.bias, scratch_);
      layers_.linear_backward(input, projection_.value_weight, gradient.columns(key_width, 2 * key_width),
                              d_part, true, gradients_.value_weight, gradients_.value_bias, scratch_);
    } else {
      layers_.linear_backward(input, projection_.weight, gradient, d_part, add, gradients_.weight,
                              gradients_.bias, scratch_);
    }
  }
}

void finish_keys(Device& device, const Projection& projection, const Bshd& raw, const RowIntegers& positions,
                 const Bshd& k) {
  Bshd from = raw;
  if (projection.key_norm.kind != LVX_NORM_NONE) {
    device.layers().norm_forward(projection.key_norm, from, k);
    from = k;
  }
  if (projection.rotary) {
    device.layers().rotary(projection.theta, false, from, positions, k);
    from = k;
  }
  if (from.data != k.data) device.copy(from, k);
}

}  // namespace lvx
