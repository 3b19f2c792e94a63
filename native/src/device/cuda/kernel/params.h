// SPDX-License-Identifier: Apache-2.0
// Parameters of kernels. Trivially copyable: kernels take them by value.
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
  ProblemShape shape;
  Visibility visibility;
  TileLists lists;
  int row_tile;  // rows of a unit
  int key_tile;
  bool by_keys;  // outer tiles are of keys, inner ones of rows
};

// Partial results of forward, [split, unit, row, head_dim] and [split, unit, row]: sums of 2^(s - max) v and of 2^(s
// - max). float of decode, whose splits are short; else double, in which the parts of a split add up.
struct SplitSums {
  void* o = nullptr;
  void* sum = nullptr;
  float* max = nullptr;
};

struct ForwardParams {
  ProblemShape shape;
  Bshd q, k, v;
  Visibility visibility;
  Bias bias;
  Bhs bias_max;  // the base of biases and lse; none: zero
  Bshd o;
  Bhs lse;
  bool merge;
  bool aligned;     // q, k, v by 16 bytes
  bool paired;      // o by two elements
  TileLists tiles;  // outer: rows
  int splits;       // of each list
  int pieces;       // of each split, none of more tiles than longest: what float32 sums
  int longest;
  SplitSums sums;  // none: one split whose sum needs no float64 part
};

// Gradients are added where add is set, and overwritten where not.
struct BackwardParams {
  ProblemShape shape;
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
  double* split_dq;  // [split, unit, row, head_dim], not scaled; none: one split that needs no float64 part
};

struct BiasGradientParams {
  ProblemShape shape;
  Bshd q, k, v, d_o;
  Bhs lse, delta;
  Visibility visibility;
  Bias bias;
  Bhs bias_max;  // as in ForwardParams
  Bias d_bias;
};

// bias_max = the largest bias that each row sees, or the old one if that is larger and merge is set; lse, which is
// relative to it, is adjusted.
struct BiasMaxParams {
  ProblemShape shape;
  Visibility visibility;
  Bias bias;
  bool merge;
  Bhs bias_max, lse;
};

// o and lse are the sum of splits partial results.
struct CombineParams {
  ProblemShape shape;
  Bshd o;
  Bhs lse;
  bool merge;
  int splits;
  SplitSums sums;
};

// dq = scale * sum of splits, plus what is there where add is set.
struct SumParams {
  ProblemShape shape;
  Bshd dq;
  bool add;
  int splits;
  const double* split_dq;
};

// into = merge(into, part).
struct MergeParams {
  ProblemShape shape;
  Bshd part_o;
  Bhs part_lse;
  Bhs part_bias_max;  // what part_lse counts from; none: zero
  Bshd o;
  Bhs lse;
  Bhs bias_max;
};

// delta = rowsum(o * d_o).
struct DeltaParams {
  ProblemShape shape;
  Bshd o, d_o;
  Bhs delta;
};

// o with rowsum(o * d_o) = delta.
struct OutputOfDeltaParams {
  ProblemShape shape;
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
