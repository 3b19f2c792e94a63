// SPDX-License-Identifier: Apache-2.0
// How a problem is cut into tiles and splits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "attention/alignment.h"
#include "base/error.h"
#include "device/cpu/scratch.h"
#include "device/cuda/kernel/params.h"
#include "device/cuda/kernel/shapes.h"

namespace lvx::cuda {

inline std::int64_t tiles_of(std::int64_t count, std::int64_t tile) { return (count + tile - 1) / tile; }

inline std::int64_t units_of(const Problem& p) { return p.batch * p.key_heads; }
inline std::int64_t unit_rows_of(const Problem& p) {
  return p.key_heads == 0 ? 0 : p.queries * (p.query_heads / p.key_heads);
}

// Kernels count rows and keys of one unit in 32 bits.
inline void require_countable(const Problem& p) {
  const std::int64_t largest = std::numeric_limits<std::int32_t>::max() / 2;
  if (unit_rows_of(p) > largest || p.keys > largest) {
    throw Error(LVX_INVALID_ARGUMENT, "expected at most " + std::to_string(largest) +
                                          " query rows of a group and keys on one GPU, got " +
                                          std::to_string(unit_rows_of(p)) + " and " + std::to_string(p.keys));
  }
}

// What decides where sums begin and end. The same for all GPUs, so that they give the same bits. Tests take smaller numbers.
struct Cutting {
  // That row tiles and splits together should be: two waves of blocks and more on the largest GPUs.
  std::int64_t blocks = 512;
  // What float32 may sum. Tensor cores cut off what they add, 16 keys at a time, to the last bit of the sum.
  std::int64_t longest_sum_of_keys = 1 << 15;
  std::int64_t longest_sum_of_rows = 1 << 17;
};

// Blocks that share the keys of one row tile, where row tiles alone would leave a GPU idle. Each has a few tiles.
inline std::int64_t splits_of(std::int64_t blocks, std::int64_t key_tiles, const Cutting& cutting) {
  constexpr std::int64_t kFewestTiles = 4;
  if (blocks == 0) return 1;
  return std::clamp<std::int64_t>(cutting.blocks / blocks, 1,
                                  std::max<std::int64_t>(1, key_tiles / kFewestTiles));
}

// Tiles of one float32 sum.
inline int longest_of(std::int64_t longest_sum, int tile) {
  return static_cast<int>(std::max<std::int64_t>(1, longest_sum / tile));
}
// float32 sums of each split, of which lists of seen tiles may leave some empty.
inline int pieces_of(std::int64_t key_tiles, std::int64_t splits, int longest) {
  return static_cast<int>(std::max<std::int64_t>(1, tiles_of(tiles_of(key_tiles, splits), longest)));
}

inline TileLists take_lists(Scratch& scratch, const Problem& p, std::int64_t outer, std::int64_t inner) {
  TileLists lists;
  lists.outer = static_cast<int>(outer);
  lists.inner = static_cast<int>(inner);
  lists.counts = scratch.take<std::int32_t>(p.batch * outer);
  lists.entries = scratch.take<std::int32_t>(p.batch * outer * inner);
  return lists;
}

}  // namespace lvx::cuda
