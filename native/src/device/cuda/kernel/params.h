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

// Partial results of forward, [split, unit, row, head_dim] and [split, unit, row]: sums of 2^(s - max) v and of 2^(s - max).
// float of decode, whose splits are short; else double, in which the parts of a split add up.
struct SplitSums {
  void* o = nullptr;
  void* sum = nullptr;
  float* max = nullptr;
};

struct ForwardParams {
  Problem problem;
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;
  Bhs bias_max;  // what the biases, and lse, count from; none: zero
  Bshd o;
  Bhs lse;
  bool merge;
  bool aligned;     // q, k, v by 16 bytes
  bool paired;      // o by two elements
  TileLists tiles;  // outer: rows
  int splits;       // of each list
  int pieces;       // of each split, none of more tiles than longest: what float32 sums
  int longest;
  SplitSums sums;  // none: one split, whose sum is not put aside on the way
};

// Gradients are added where add is set, and overwritten where not.
struct BackwardParams {
  Problem problem;
  Bshd q, k, v, d_o;
  Bhs lse, delta;
  Visibility visibility;
  Bias bias;
  Bhs bias_max;  // as in ForwardParams
  Bshd dq, dk, dv;
  bool add_dq;
  bool add_dkv;
  bool aligned;     // q, k, v, d_o by 16 bytes
  bool paired;      // dq, dk, dv by two elements
  TileLists tiles;  // outer: rows for dq, keys for dk and dv
  int splits;       // of each list, for dq
  int pieces;       // of each split, none of more tiles than longest: what float32 sums, for dq
  int longest;
  double* split_dq;  // [split, unit, row, head_dim], not scaled; none: one split, which is not put aside
};

struct BiasGradientParams {
  Problem problem;
  Bshd q, k, v, d_o;
  Bhs lse, delta;
  Visibility visibility;
  Bias bias;
  Bhs bias_max;  // as in ForwardParams
  Bias d_bias;
};

// bias_max = the largest bias that each row sees, or what is there if that is larger and merge is set; lse, which counts
// from it, then goes with it.
struct BiasMaxParams {
  Problem problem;
  Visibility visibility;
  Bias bias;
  bool merge;
  Bhs bias_max, lse;
};

// o and lse are the sum of splits partial results.
struct CombineParams {
  Problem problem;
  Bshd o;
  Bhs lse;
  bool merge;
  int splits;
  SplitSums sums;
};

// dq = scale * sum of splits, plus what is there where add is set.
struct SumParams {
  Problem problem;
  Bshd dq;
  bool add;
  int splits;
  const double* split_dq;
};

// into = merge(into, part).
struct MergeParams {
  Problem problem;
  Bshd part_o;
  Bhs part_lse;
  Bhs part_bias_max;  // what part_lse counts from; none: zero
  Bshd o;
  Bhs lse;
  Bhs bias_max;
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
