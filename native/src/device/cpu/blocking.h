// SPDX-License-Identifier: Apache-2.0
// How the work is cut: sizes of tiles and blocks, and how many pieces the threads get.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "attention/views.h"

namespace lvx {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

constexpr std::int64_t kLanes = 16;       // no vector is longer; tiles are padded to it
constexpr std::int64_t kPanelRows = 96;   // query rows of a panel: twice three vectors of 16 floats
constexpr std::int64_t kTileKeys = 64;    // keys of a tile: a tile of logits stays in the first cache
constexpr std::int64_t kDecodeRows = 8;   // rows of a unit up to which forward is bound by memory
constexpr std::int64_t kDecodeKeys = 64;  // keys of a tile in that case
constexpr std::int64_t kMaxHeadDim = 256;

// Terms that are summed in float32 before they are added up in float64. A chain of n equal terms is off by n / 3 parts in
// 2^24 at most: a product's chain over a tile and that over a group's tiles stay within the bound together.
constexpr std::int64_t kGroupTiles = 32;  // tiles of keys
constexpr std::int64_t kGroupKeys = kGroupTiles * kTileKeys;
constexpr std::int64_t kGroupPanels = 32;  // panels of query rows

// Leading dimension of packed rows: whole vectors, and an odd number of cache lines so that columns spread over the
// sets of the cache.
constexpr std::int64_t packed_dim(std::int64_t head_dim) { return round_up(head_dim, kLanes) + kLanes; }

// What stays in the second cache of a core while it is used again and again. bytes: what is held for each element of
// head_dim, all arrays together.
std::int64_t block_rows(const Problem& problem,
                        std::size_t bytes);  // query rows that share packed keys, forward
std::int64_t block_keys(const Problem& problem,
                        std::size_t bytes);  // keys that share packed queries, backward
constexpr std::int64_t kMaxBlockKeys = 512;
// Whether the gradients of all keys are more than a core's own cache holds.
bool key_gradients_exceed_cache(const Problem& problem, std::size_t element);

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

  ForwardBlocking(const Problem& problem, std::size_t bytes, int threads);
};

struct BackwardBlocking {
  Split keys;  // each part has its own sum of dq

  BackwardBlocking(const Problem& problem, std::size_t bytes, int threads);
};

}  // namespace lvx
