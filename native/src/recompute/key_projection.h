// SPDX-License-Identifier: Apache-2.0
// Keys and values of one tile of visual features, some rows of every batch item, and the way back from their gradients
// to the parameters and the features.
//
// K and V of a tile lie in one product, side by side or interleaved as the layer's weights have them, and so do their
// gradients: one matrix product serves both where the layer fuses them, and nothing is rearranged.
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

  // gradients: those that are wanted of the parameters, in backward.
  KeyProjection(Device& device, const Projection& projection, const Rows& features, std::int64_t tile_rows,
                Use use, const ProjectionGradients& gradients);

  // Memory for a tile and sums over tiles. Scratch is needed in addition, and may serve others between the calls.
  void reserve(Workspace& workspace);
  std::size_t scratch_bytes() const;
  void begin(const Workspace& workspace, std::span<std::byte> scratch);

  // Turns to rows [begin, end) of the features, tile_rows at most.
  void open(std::int64_t begin, std::int64_t end);
  // Makes raw keys and values of them.
  void project();
  Bshd raw_keys() const { return keys_of(product_); }
  Bshd values() const { return values_of(product_); }
  // Makes keys of raw keys: elsewhere if backward needs those, in their place otherwise.
  void finish_keys();
  Bshd keys() const { return finished_; }

  // Where the gradients of this tile's keys and values are to be put, in the accumulator's dtype.
  Bshd key_gradients() const { return keys_of(gradient_); }
  Bshd value_gradients() const { return values_of(gradient_); }
  // Adds what they mean for the parameters, and for the features if d_features is not none. raw_keys are read where
  // there is a key norm; they may lie anywhere.
  void push(const Bshd& raw_keys, const Rows& d_features);
  // After the last tile: the parameters' gradients are whole.
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
  const bool keeps_raw_;  // keys are finished apart from the raw ones
  const ProjectionGradients gradients_;
  GradientSums sums_;
  Workspace::Piece input_piece_{}, product_piece_{}, keys_piece_{}, gradient_piece_{}, d_input_piece_{};

  const Workspace* workspace_ = nullptr;
  std::span<std::byte> scratch_;
  std::int64_t begin_ = 0;
  std::int64_t rows_ = 0;
  Rows tile_;      // of the features
  Rows input_;     // what is projected: the features, or their norm
  Rows product_;   // raw keys and values
  Rows gradient_;  // of keys and values
  Bshd finished_;
};

// k = rotary(key_norm(raw)) for rows of every batch item, the first of which has the first of positions. k may be raw.
void finish_keys(Device& device, const Projection& projection, std::int64_t batch, std::int64_t rows,
                 const Bshd& raw, const RowIntegers& positions, const Bshd& k);

}  // namespace lvx
