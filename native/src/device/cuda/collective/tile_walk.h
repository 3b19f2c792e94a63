// SPDX-License-Identifier: Apache-2.0
// The tiles that a block iterates over: all tiles or a list of the seen tiles, or one split of these, or one piece of a
// split. A piece has a limited number of tiles.
#pragma once

#include "device/cuda/kernel/params.h"
#include "device/cuda/warp/warp.h"

namespace lvx::cuda {

class TileWalk {
 public:
  LVX_GPU TileWalk(const TileLists& lists, std::int64_t batch, int outer, int part, int parts, int piece,
                   int longest)
      : TileWalk(lists, batch, outer, part, parts) {
    begin_ = piece < (end_ - begin_ + longest - 1) / longest ? begin_ + piece * longest : end_;
    if (end_ - begin_ > longest) end_ = begin_ + longest;
  }
  LVX_GPU TileWalk(const TileLists& lists, std::int64_t batch, int outer, int part, int parts) {
    std::int64_t count = lists.inner;
    if (lists.counts != nullptr) {
      const std::int64_t list = batch * lists.outer + outer;
      entries_ = lists.entries + list * lists.inner;
      count = load_global(lists.counts + list);
    }
    begin_ = static_cast<int>(count * part / parts);
    end_ = static_cast<int>(count * (part + 1) / parts);
  }

  LVX_GPU int begin() const { return begin_; }
  LVX_GPU int end() const { return end_; }
  LVX_GPU int tile(int i) const { return entries_ == nullptr ? i : load_global(entries_ + i) >> 1; }
  // Whether some pairs of a query and a key of the tile are hidden.
  LVX_GPU bool partial(int i) const { return entries_ != nullptr && (load_global(entries_ + i) & 1) != 0; }

 private:
  const std::int32_t* entries_ = nullptr;
  int begin_ = 0;
  int end_ = 0;
};

}  // namespace lvx::cuda
