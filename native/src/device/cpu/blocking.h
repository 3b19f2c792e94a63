// SPDX-License-Identifier: Apache-2.0
// How work is split: sizes of tiles and blocks, and the number of parts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "attention/views.h"
#include "base/divide.h"

namespace lvx {

constexpr std::int64_t kLanes = 16;       // lanes of the longest vector; tiles are padded to it
constexpr std::int64_t kPanelRows = 96;   // query rows per panel: twice three vectors of 16 floats
constexpr std::int64_t kTileKeys = 64;    // keys per tile: a tile of logits stays in L1
constexpr std::int64_t kDecodeRows = 8;   // forward is memory-bound with up to this many rows per unit
constexpr std::int64_t kDecodeKeys = 64;  // keys per tile in that case
constexpr std::int64_t kMaxHeadDim = 256;

// A group: terms that are summed in float32 before they are accumulated in float64. A sequential sum of n equal terms has a
// relative error of at most n / 3 / 2^24. A product's sum over a tile, followed by the sum over a group's tiles, stays
// within the bound.
constexpr std::int64_t kGroupTiles = 32;  // tiles of keys
constexpr std::int64_t kGroupKeys = kGroupTiles * kTileKeys;
constexpr std::int64_t kGroupPanels = 32;  // panels of query rows

// Leading dimension of packed rows: whole vectors, and an odd number of cache lines, so that a column's elements fall into
// different cache sets.
constexpr std::int64_t packed_dim(std::int64_t head_dim) { return round_up(head_dim, kLanes) + kLanes; }

// Block sizes that stay in a core's L2 while they are reused: query rows that share packed keys (forward), and keys that
// share packed queries (backward). bytes: of all arrays together, per element of head_dim.
std::int64_t block_rows(const ProblemShape& shape, std::size_t bytes);
std::int64_t block_keys(const ProblemShape& shape, std::size_t bytes);
constexpr std::int64_t kMaxBlockKeys = 512;
// Whether the gradients of all keys exceed a core's L2.
bool key_gradients_exceed_cache(const ProblemShape& shape, std::size_t element);

// Splits n items into parts of whole grains (the last grain may be short) whose sizes differ by at most one grain.
class Split {
 public:
  Split(std::int64_t n, std::int64_t parts, std::int64_t grain)
      : n_(n),
        grain_(grain),
        grains_(divide_up(n, grain)),
        parts_(std::clamp<std::int64_t>(parts, 1, std::max<std::int64_t>(1, grains_))) {}

  std::int64_t parts() const { return parts_; }
  std::int64_t begin(std::int64_t part) const { return std::min(n_, grains_ * part / parts_ * grain_); }
  std::int64_t end(std::int64_t part) const { return begin(part + 1); }
  // The number of items in the largest part.
  std::int64_t longest() const { return std::min(n_, divide_up(grains_, parts_) * grain_); }

 private:
  std::int64_t n_;
  std::int64_t grain_;
  std::int64_t grains_;
  std::int64_t parts_;
};

struct ForwardBlocking {
  bool decode;  // few rows and many keys: one task computes all heads of a batch item
  Split rows;   // of one unit
  Split keys;   // if several parts, partial results are merged afterwards

  ForwardBlocking(const ProblemShape& shape, std::size_t bytes, int threads);
};

struct BackwardBlocking {
  Split keys;  // each part has its own dq, which are summed afterwards

  BackwardBlocking(const ProblemShape& shape, std::size_t bytes, int threads);
};

}  // namespace lvx
