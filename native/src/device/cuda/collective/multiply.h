// SPDX-License-Identifier: Apache-2.0
// Products of tiles by tensor cores. A warp's accumulator for 16 rows and n columns is float[n / 8][4]. Of each 8 columns,
// lane l holds columns 2 (l % 4) and 2 (l % 4) + 1, first of row l / 4, then of row l / 4 + 8.
#pragma once

#include "device/cuda/collective/shared_tile.h"

namespace lvx::cuda {

// c[i] += a b^T for rows a_row + 16 i of a and kColumns rows of b from b_row on.
template <typename T, int kTiles, int kColumns, int kDim>
LVX_GPU void multiply_transposed(float (&c)[kTiles][kColumns / 8][4], const SharedTile<kDim>& a, int a_row,
                                 const SharedTile<kDim>& b, int b_row) {
  const SharedAddress a_at = a.at(a_row + lane() % 16, lane() / 16 * 8);
  const SharedAddress b_at = b.at(b_row + lane() % 8 + lane() / 16 * 8, lane() / 8 % 2 * 8);
  LVX_UNROLL
  for (int k = 0; k < kDim / 16; ++k) {
    Matrices left[kTiles];
    LVX_UNROLL
    for (int i = 0; i < kTiles; ++i)
      left[i] = load_matrices(a_at + (SharedTile<kDim>::bytes(16 * i) + 32 * k));
    LVX_UNROLL
    for (int n = 0; n < kColumns / 16; ++n) {
      const Matrices right = load_matrices(b_at + (SharedTile<kDim>::bytes(16 * n) + 32 * k));
      LVX_UNROLL
      for (int i = 0; i < kTiles; ++i) {
        multiply_add<T>(c[i][2 * n], left[i], right.parts[0], right.parts[1]);
        multiply_add<T>(c[i][2 * n + 1], left[i], right.parts[2], right.parts[3]);
      }
    }
  }
}

// Columns [16 k, 16 k + 16) of an accumulator, rounded to T, as the left operand of a product.
template <typename T, int kDepth>
LVX_GPU Matrices as_left(const float (&p)[kDepth / 8][4], int k) {
  return {{pack<T>(p[2 * k][0], p[2 * k][1]).bits, pack<T>(p[2 * k][2], p[2 * k][3]).bits,
           pack<T>(p[2 * k + 1][0], p[2 * k + 1][1]).bits, pack<T>(p[2 * k + 1][2], p[2 * k + 1][3]).bits}};
}

// The address that lane l passes to load rows [row, row + 16) and columns [column, column + 16) of a tile, transposed.
template <int kDim>
LVX_GPU SharedAddress transposed_at(const SharedTile<kDim>& b, int row, int column) {
  return b.at(row + lane() % 16, column + lane() / 16 * 8);
}

// c[i] += p[i] b for rows [b_row, b_row + kDepth) and columns [column, column + kColumns) of b.
template <typename T, int kTiles, int kDepth, int kColumns, int kDim>
LVX_GPU void multiply(float (&c)[kTiles][kColumns / 8][4], const float (&p)[kTiles][kDepth / 8][4],
                      const SharedTile<kDim>& b, int b_row, int column) {
  const SharedAddress b_at = transposed_at(b, b_row, column);
  LVX_UNROLL
  for (int k = 0; k < kDepth / 16; ++k) {
    Matrices left[kTiles];
    LVX_UNROLL
    for (int i = 0; i < kTiles; ++i) left[i] = as_left<T, kDepth>(p[i], k);
    LVX_UNROLL
    for (int n = 0; n < kColumns / 16; ++n) {
      const Matrices right = load_matrices_transposed(b_at + (SharedTile<kDim>::bytes(16 * k) + 32 * n));
      LVX_UNROLL
      for (int i = 0; i < kTiles; ++i) {
        multiply_add<T>(c[i][2 * n], left[i], right.parts[0], right.parts[1]);
        multiply_add<T>(c[i][2 * n + 1], left[i], right.parts[2], right.parts[3]);
      }
    }
  }
}

}  // namespace lvx::cuda
