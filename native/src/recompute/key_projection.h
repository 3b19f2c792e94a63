// SPDX-License-Identifier: Apache-2.0
// Keys and values of one tile of visual features, which is some rows of every batch item; and the gradients of parameters and
// features, computed from the gradients of keys and values.
//
// K and V of a tile are parts of one matrix, side by side or interleaved like the layer's weights, and so are their gradients.
// If the layer fuses K and V, one matrix product computes both, and nothing is rearranged.
#pragma once

#include <span>

#include "device/device.h"
#include "recompute/gradient_sums.h"
#include "recompute/projection.h"
#include "schedule/workspace.h"

namespace lvx {

class KeyProjection {
 public:
  enum class Use { kForward, kBackward };

  // gradients: the parameters' gradients to compute, in backward.
  KeyProjection(Device& device, const Projection& projection, const Rows& features, std::int64_t tile_rows,
                Use use, const ProjectionGradients& gradients);

  // Reserves memory for a tile and for sums over tiles. Scratch is needed in addition; others may use it between calls.
  void reserve(Workspace& workspace);
  std::size_t scratch_bytes() const;
  void begin(const Workspace& workspace, std::span<std::byte> scratch);

  // Selects rows [begin, end) of the features, at most tile_rows.
  void open(std::int64_t begin, std::int64_t end);
  // Projects raw keys and values from the selected rows.
  void project();
  Bshd raw_keys() const { return keys_of(product_); }
  Bshd values() const { return values_of(product_); }
  // Computes keys from raw keys, in place unless backward needs the raw keys.
  void finish_keys();
  Bshd keys() const { return finished_; }

  // Where the caller writes the gradients of this tile's keys and values, in the accumulator's dtype.
  Bshd key_gradients() const { return keys_of(gradient_); }
  Bshd value_gradients() const { return values_of(gradient_); }
  // Accumulates the gradients of the parameters, and of the features if d_features is present. raw_keys are read only if there
  // is a key norm; they need not be those of this object.
  void push(const Bshd& raw_keys, const Rows& d_features);
  // To be called after the last tile. Completes the parameters' gradients.
  void finish() { sums_.finish(); }

 private:
  Rows product_at(std::byte* data, DType dtype) const;
  Bshd keys_of(const Rows& product) const;
  Bshd values_of(const Rows& product) const;
  void push_products(const Rows& d_input, bool add);

  Device& device_;
  LayerOperations& layers_;
  const Projection& projection_;
  const Rows features_;
  const std::int64_t tile_rows_;
  const Use use_;
  const DType accumulator_;
  const bool keeps_raw_;  // finished keys do not overwrite raw keys
  const ProjectionGradients gradients_;
  GradientSums sums_;
  Workspace::Piece input_piece_{}, product_piece_{}, keys_piece_{}, gradient_piece_{}, d_input_piece_{};

  const Workspace* workspace_ = nullptr;
  std::span<std::byte> scratch_;
  std::int64_t begin_ = 0;
  std::int64_t rows_ = 0;
  Rows tile_;      // of the features
  Rows input_;     // input of the projection: the features, or their norm
  Rows product_;   // raw keys and values
  Rows gradient_;  // of keys and values
  Bshd finished_;
};

// k = rotary(key_norm(raw)) for rows of every batch item. The first row has the first of positions. k may be raw.
void finish_keys(Device& device, const Projection& projection, const Bshd& raw, const RowIntegers& positions,
                 const Bshd& k);

}  // namespace lvx
