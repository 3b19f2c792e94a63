// SPDX-License-Identifier: Apache-2.0
// Lists the tiles that at least one query sees, so that kernels skip the others. One block per list.
#pragma once

#include "device/cuda/collective/mask.h"
#include "device/cuda/kernel/params.h"

namespace lvx::cuda {

class ListTiles {
 public:
  using Params = TileListParams;
  static constexpr int kThreads = 256;
  static constexpr int kSharedBytes = kThreads / kWarp * 4;

  static LVX_GPU void run(const Params& p) {
    const std::int64_t list = block_index();
    const std::int64_t batch = list / p.lists.outer;
    const int outer = static_cast<int>(list % p.lists.outer);
    int count = 0;
    for (int base = 0; base < p.lists.inner; base += kThreads) {
      const int inner = base + thread_index();
      int entry = -1;
      if (inner < p.lists.inner) {
        entry = p.by_keys ? entry_of(p, batch, inner, outer, inner) : entry_of(p, batch, outer, inner, inner);
      }
      // The number of entries before this one: in this warp, and in the warps before it.
      const std::uint32_t votes = ballot(entry >= 0);
      sync_block();
      if (lane() == 0) store_shared(shared_memory() + 4 * warp_index(), bits_in(votes));
      sync_block();
      int at = count + bits_in(votes & ((std::uint32_t{1} << lane()) - 1));
      for (int w = 0; w < kThreads / kWarp; ++w) {
        const int of_warp = load_shared<int>(shared_memory() + 4 * w);
        if (w < warp_index()) at += of_warp;
        count += of_warp;
      }
      if (entry >= 0) store_global(p.lists.entries + list * p.lists.inner + at, entry);
    }
    if (thread_index() == 0) store_global(p.lists.counts + list, count);
  }

 private:
  static LVX_GPU int bits_in(std::uint32_t x) {
    int count = 0;
    for (; x != 0; x &= x - 1) ++count;
    return count;
  }

  // The tile's entry; -1 if all its pairs are hidden.
  static LVX_GPU int entry_of(const Params& p, std::int64_t batch, int row_tile, int key_tile, int inner) {
    const std::int64_t group = p.shape.query_heads / p.shape.key_heads;
    const std::int64_t first_row = static_cast<std::int64_t>(row_tile) * p.row_tile;
    const std::int64_t end_row = first_row + p.row_tile;
    const std::int64_t end_query = (end_row + group - 1) / group;
    const std::int64_t first_key = static_cast<std::int64_t>(key_tile) * p.key_tile;
    const std::int64_t left = p.shape.keys - first_key;
    const int keys = left < p.key_tile ? static_cast<int>(left) : p.key_tile;
    const std::uint64_t all = bits_between(0, keys);
    bool some = false;
    bool every = true;
    for (std::int64_t q = first_row / group; q < end_query && q < p.shape.queries; ++q) {
      const std::uint64_t seen = visible_bits(p.visibility, batch, q, p.shape.first_key + first_key, keys);
      some |= seen != 0;
      every &= seen == all;
    }
    return some ? 2 * inner + (every ? 0 : 1) : -1;
  }
};

}  // namespace lvx::cuda
