// SPDX-License-Identifier: Apache-2.0
// Tile sizes of the tensor-core kernels, for each head_dim that they are compiled for; other sizes use the next larger one.
// Chosen so that accumulators stay in registers and a block needs less than 99 KiB of shared memory, which all GPUs from
// sm_80 on provide.
#pragma once

namespace lvx::cuda {

constexpr int kHeadDims[] = {64, 80, 96, 128, 256};

constexpr int padded_head_dim(int head_dim) {
  for (const int dim : kHeadDims) {
    if (head_dim <= dim) return dim;
  }
  return 0;
}

// Backward has no kernels for 80: those for 96 need fewer registers.
constexpr int padded_backward_head_dim(int head_dim) {
  const int dim = padded_head_dim(head_dim);
  return dim == 80 ? 96 : dim;
}

struct ForwardShape {
  int row_warps;  // warps along the rows
  int key_warps;  // warps along the keys of a tile
  int row_tiles;  // tiles of 16 rows per warp
  int keys;       // keys per tile

  constexpr int rows() const { return 16 * row_tiles * row_warps; }
  constexpr int threads() const { return 32 * row_warps * key_warps; }
};

// Few rows (decode): the warps of a block share its rows and split the keys.
constexpr int kDecodeRows = 16;
constexpr ForwardShape forward_shape(int dim, bool decode) {
  if (decode) return {1, 4, 1, 64};
  // For 96, tiles of 64 keys spill 40 bytes of registers on sm_80 and 36 on sm_90a.
  return {4, 1, dim <= 128 ? 2 : 1, dim < 96 ? 64 : 32};
}

// Four warps of 16 rows each (of keys for dk and dv, of queries for dq) against tiles of the other side.
struct BackwardShape {
  int outer;         // rows per block
  int inner;         // rows per tile of the other side
  int column_parts;  // blocks that share the columns of the gradients
};
constexpr int kBackwardThreads = 128;
constexpr BackwardShape backward_keys_shape(int dim) {
  return {64, dim <= 64 ? 64 : dim <= 128 ? 32 : 16, dim <= 128 ? 1 : 2};
}
constexpr BackwardShape backward_queries_shape(int dim) { return {64, dim <= 128 ? 64 : 16, 1}; }

}  // namespace lvx::cuda
