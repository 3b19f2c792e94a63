// SPDX-License-Identifier: Apache-2.0
// How the work is cut: sizes of tiles and blocks, and how many pieces the threads get.
#pragma once

#include <algorithm>
#include <cstdint>

#include "attention/views.h"

namespace lvx {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

constexpr std::int64_t kLanes = 16;       // no vector is longer; tiles are padded to it
constexpr std::int64_t kPanelRows = 48;   // query rows of a panel: three vectors of 16 floats
constexpr std::int64_t kTileKeys = 64;    // keys of a tile: a tile of logits stays in the first cache
constexpr std::int64_t kBlockRows = 480;  // query rows that share packed keys, forward
constexpr std::int64_t kBlockKeys = 256;  // keys that share packed queries, backward
constexpr std::int64_t kMaxHeadDim = 256;

// Leading dimension of packed rows: whole vectors, and an odd number of cache lines so that columns spread over the
// sets of the cache.
constexpr std::int64_t packed_dim(std::int64_t head_dim) { return round_up(head_dim, kLanes) + kLanes; }

// n items in parts whose sizes differ by at most one unit of grain.
struct Split {
  std::int64_t parts = 1;
  std::int64_t size = 0;

  std::int64_t begin(std::int64_t part, std::int64_t n) const { return std::min(n, part * size); }
  std::int64_t end(std::int64_t part, std::int64_t n) const { return std::min(n, (part + 1) * size); }
};

inline Split split(std::int64_t n, std::int64_t parts, std::int64_t grain) {
  const std::int64_t grains = std::max<std::int64_t>(1, divide_up(n, grain));
  const std::int64_t size = divide_up(grains, std::clamp<std::int64_t>(parts, 1, grains)) * grain;
  return {std::max<std::int64_t>(1, divide_up(n, size)), size};
}

struct ForwardBlocking {
  Split rows;  // of a unit
  Split keys;  // more than one part: partial results are merged afterwards

  ForwardBlocking(const Problem& problem, std::int64_t units, std::int64_t unit_rows, int threads);
};

struct BackwardBlocking {
  Split keys;  // each part has its own sum of dq

  BackwardBlocking(const Problem& problem, std::int64_t independent_units, int threads);
};

}  // namespace lvx
