// SPDX-License-Identifier: Apache-2.0
// How work is split: sizes of tiles and blocks, and the number of pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "attention/views.h"
#include "base/divide.h"

namespace lvx {

constexpr std::int64_t kLanes = 16;       // no vector is longer; tiles are padded to it
constexpr std::int64_t kPanelRows = 96;   // query rows of a panel: twice three vectors of 16 floats
constexpr std::int64_t kTileKeys = 64;    // keys of a tile: a tile of logits stays in L1
constexpr std::int64_t kDecodeRows = 8;   // rows of a unit up to which forward is bound by memory
constexpr std::int64_t kDecodeKeys = 64;  // keys of a tile in that case
constexpr std::int64_t kMaxHeadDim = 256;

// Terms that are summed in float32 before they are added up in float64. A chain of n equal terms has a relative
// error of at most n / 3 / 2^24; a product's chain over a tile and the chain over a group's tiles together stay
// within the bound.
constexpr std::int64_t kGroupTiles = 32;  // tiles of keys
constexpr std::int64_t kGroupKeys = kGroupTiles * kTileKeys;
constexpr std::int64_t kGroupPanels = 32;  // panels of query rows

// Leading dimension of packed rows: whole vectors, and an odd number of cache lines so that columns spread over the
// sets of the cache.
constexpr std::int64_t packed_dim(std::int64_t head_dim) { return round_up(head_dim, kLanes) + kLanes; }

// Sizes that stay in a core's L2 while they are reused. bytes: of all arrays together, for each element of head_dim.
// Query rows that share packed keys (forward), and keys that share packed queries (backward).
std::int64_t block_rows(const ProblemShape& shape, std::size_t bytes);
std::int64_t block_keys(const ProblemShape& shape, std::size_t bytes);
constexpr std::int64_t kMaxBlockKeys = 512;
// Whether the gradients of all keys exceed a core's L2.
bool key_gradients_exceed_cache(const ProblemShape& shape, std::size_t element);

// n items in parts of whole grains (the last grain may be short) whose sizes differ by at most one grain.
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
  // Items of the largest part.
  std::int64_t longest() const { return std::min(n_, divide_up(grains_, parts_) * grain_); }

 private:
  std::int64_t n_;
  std::int64_t grain_;
  std::int64_t grains_;
  std::int64_t parts_;
};

struct ForwardBlocking {
  bool decode;  // few rows and many keys: one task takes all heads of a batch item
  Split rows;   // of a unit
  Split keys;   // more than one part: partial results are merged afterwards

  ForwardBlocking(const ProblemShape& shape, std::size_t bytes, int threads);
};

struct BackwardBlocking {
  Split keys;  // each part has its own sum of dq

  BackwardBlocking(const ProblemShape& shape, std::size_t bytes, int threads);
};

}  // namespace lvx
