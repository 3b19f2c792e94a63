// SPDX-License-Identifier: Apache-2.0
// How a problem is divided into tiles and splits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "attention/alignment.h"
#include "base/divide.h"
#include "base/error.h"
#include "device/cpu/scratch.h"
#include "device/cuda/kernel/params.h"
#include "device/cuda/kernel/shapes.h"

namespace lvx::cuda {

inline std::int64_t units_of(const ProblemShape& p) { return p.batch * p.key_heads; }
inline std::int64_t unit_rows_of(const ProblemShape& p) {
  return p.key_heads == 0 ? 0 : p.queries * (p.query_heads / p.key_heads);
}

// Kernels use 32-bit indices for the rows and keys of one unit.
inline void require_countable(const ProblemShape& p) {
  const std::int64_t largest = std::numeric_limits<std::int32_t>::max() / 2;
  if (unit_rows_of(p) > largest || p.keys > largest) {
    throw Error(LVX_INVALID_ARGUMENT, "expected at most " + std::to_string(largest) +
                                          " query rows of a group and keys on one GPU, got " +
                                          std::to_string(unit_rows_of(p)) + " and " + std::to_string(p.keys));
  }
}

// Limits that determine where sums begin and end. They are the same for all GPUs, so that all give the same bits. Tests use
// smaller limits.
struct Cutting {
  // Target number of blocks (row tiles times splits): at least two waves on the largest GPUs.
  std::int64_t blocks = 512;
  // Maximum length of a float32 sum. Tensor cores truncate each addition of 16 keys to the last bit of the sum.
  std::int64_t longest_sum_of_keys = 1 << 15;
  std::int64_t longest_sum_of_rows = 1 << 17;
};

// The number of blocks that share the keys of one row tile, because row tiles alone may not occupy a GPU. Each has at least a
// few tiles.
inline std::int64_t splits_of(std::int64_t blocks, std::int64_t key_tiles, const Cutting& cutting) {
  constexpr std::int64_t kFewestTiles = 4;
  if (blocks == 0) return 1;
  return std::clamp<std::int64_t>(cutting.blocks / blocks, 1,
                                  std::max<std::int64_t>(1, key_tiles / kFewestTiles));
}

// The maximum number of tiles of one float32 sum.
inline int longest_of(std::int64_t longest_sum, int tile) {
  return static_cast<int>(std::max<std::int64_t>(1, longest_sum / tile));
}
// The number of float32 sums per split. With lists of seen tiles, some may be empty.
inline int pieces_of(std::int64_t key_tiles, std::int64_t splits, int longest) {
  return static_cast<int>(std::max<std::int64_t>(1, divide_up(divide_up(key_tiles, splits), longest)));
}

inline TileLists take_lists(Scratch& scratch, const ProblemShape& p, std::int64_t outer, std::int64_t inner) {
  TileLists lists;
  lists.outer = static_cast<int>(outer);
  lists.inner = static_cast<int>(inner);
  lists.counts = scratch.take<std::int32_t>(p.batch * outer);
  lists.entries = scratch.take<std::int32_t>(p.batch * outer * inner);
  return lists;
}

}  // namespace lvx::cuda
