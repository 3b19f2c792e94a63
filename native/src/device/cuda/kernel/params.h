// SPDX-License-Identifier: Apache-2.0
// What kernels are given. Plain data: kernels take it by value.
#pragma once

#include <cstdint>

#include "attention/views.h"

namespace lvx::cuda {

// For each outer tile of each batch item, which inner tiles any of its pairs see, ascending: 2 * tile + (1 where some
// pairs do not see each other). counts == nullptr: all tiles.
struct TileLists {
  std::int32_t* counts = nullptr;   // [batch, outer]
  std::int32_t* entries = nullptr;  // [batch, outer, inner]
  int outer = 0;
  int inner = 0;
};

struct TileListParams {
  Problem problem;
  Visibility visibility;
  TileLists lists;
  int row_tile;  // rows of a unit
  int key_tile;
  bool by_keys;  // outer tiles are of keys, inner ones of rows
};

struct ForwardParams {
  Problem problem;
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;
  Bshd o;
  Bhs lse;
  bool merge;
  bool aligned;      // q, k, v by 16 bytes
  bool paired;       // o by two elements
  TileLists tiles;   // outer: rows
  int splits;        // of each list; more than one: partial results go to split_o and split_lse
  float* split_o;    // [split, unit, row, head_dim], normalised
  float* split_lse;  // [split, unit, row]
};

// Gradients are added where add is set, and overwritten where not.
struct BackwardParams {
  Problem problem;
  Bshd q, k, v, d_o;
  Bhs lse, delta;
  Visibility visibility;
  Bias bias;
  Bshd dq, dk, dv;
  bool add_dq;
  bool add_dkv;
  bool aligned;     // q, k, v, d_o by 16 bytes
  bool paired;      // dq, dk, dv by two elements
  TileLists tiles;  // outer: rows for dq, keys for dk and dv
  int splits;       // of each list, for dq
  float* split_dq;  // [split, unit, row, head_dim], not scaled
};

struct BiasGradientParams {
  Problem problem;
  Bshd q, k, v, d_o;
  Bhs lse, delta;
  Visibility visibility;
  Bias bias, d_bias;
};

// o and lse are the sum of splits partial results.
struct CombineParams {
  Problem problem;
  Bshd o;
  Bhs lse;
  bool merge;
  int splits;
  const float* split_o;
  const float* split_lse;
};

// dq = scale * sum of splits, plus what is there where add is set.
struct SumParams {
  Problem problem;
  Bshd dq;
  bool add;
  int splits;
  const float* split_dq;
};

// into = merge(into, part).
struct MergeParams {
  Problem problem;
  Bshd part_o;
  Bhs part_lse;
  Bshd o;
  Bhs lse;
};

// delta = rowsum(o * d_o).
struct DeltaParams {
  Problem problem;
  Bshd o, d_o;
  Bhs delta;
};

// o with rowsum(o * d_o) = delta.
struct OutputOfDeltaParams {
  Problem problem;
  Bshd d_o;
  Bhs delta;
  Bshd o;
};

// to = from, or to += from, over [batch, rows, heads, dim].
struct CopyParams {
  std::int64_t batch, rows, heads, dim;
  Bshd from, to;
  bool add;
};

struct CopyRangesParams {
  std::int64_t batch, rows;
  Visibility from;
  std::int32_t* to;  // [batch, rows, ranges, 2]
};

}  // namespace lvx::cuda
