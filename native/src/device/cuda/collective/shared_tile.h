// SPDX-License-Identifier: Apache-2.0
// Rows of a tensor in shared memory, each padded by 16 bytes. The stride is then an odd multiple of 16 bytes, so that eight
// consecutive rows are in different banks.
#pragma once

#include "device/cuda/collective/address.h"
#include "device/cuda/warp/warp.h"

namespace lvx::cuda {

template <int kDim>
struct SharedTile {
  static_assert(kDim % 16 == 0);
  static constexpr int kRowBytes = 2 * kDim + 16;

  SharedAddress base;

  static constexpr int bytes(int rows) { return rows * kRowBytes; }
  LVX_GPU SharedAddress at(int row, int column) const { return base + (row * kRowBytes + 2 * column); }
};

// Loads eight elements that are aligned only to the size of one.
LVX_GPU Chunk load_unaligned(const std::uint16_t* from) {
  Chunk chunk;
  LVX_UNROLL
  for (int i = 0; i < 4; ++i) {
    chunk.words[i] = load_global(from + 2 * i) | std::uint32_t{load_global(from + 2 * i + 1)} << 16;
  }
  return chunk;
}

// Starts asynchronous copies of rows [first, first + kRows) of one unit, with zeros beyond the last row and beyond head_dim.
// aligned: all rows are aligned to 16 bytes.
template <int kDim, int kRows, int kThreads, typename Rows>
LVX_GPU void load_tile(const SharedTile<kDim>& tile, const Bshd& x, const Rows& rows, int first, int head_dim,
                       bool aligned) {
  constexpr int kChunks = kDim / 8;
  LVX_UNROLL_TWICE  // more would need registers of the accumulators
      for (int i = thread_index(); i < kRows * kChunks; i += kThreads) {
    const int row = i / kChunks;
    const int column = i % kChunks * 8;
    const bool live = first + row < rows.count && column < head_dim;
    const std::uint16_t* from = elements<std::uint16_t>(x.data);
    if (live) {
      from += offset_of(x, rows.batch, rows.query(first + row), rows.head(first + row)) + column;
    }
    if (aligned) {
      copy_async(tile.at(row, column), from, live);
    } else {
      store_shared(tile.at(row, column), live ? load_unaligned(from) : Chunk{});
    }
  }
}

}  // namespace lvx::cuda
