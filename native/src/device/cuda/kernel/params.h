// SPDX-License-Identifier: Apache-2.0
// Parameters of kernels. Trivially copyable: kernels take them by value.
#pragma once

#include <cstdint>

#include "attention/views.h"

namespace lvx::cuda {

// For each outer tile of each batch item, the inner tiles with at least one visible pair, ascending. An entry is
// 2 * tile + (1 if some pairs are hidden). counts == nullptr: all tiles.
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
  int row_tile;  // rows of a unit per tile
  int key_tile;
  bool by_keys;  // outer tiles are of keys, inner ones of rows
};

// Partial results of forward, [split, unit, row, head_dim] and [split, unit, row]: sums of 2^(s - max) v and of 2^(s - max).
// In decode, whose splits are short, they are float; otherwise double, in which the pieces of a split are accumulated.
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
  Bhs bias_max;  // the base of biases and lse; absent: 0
  Bshd o;
  Bhs lse;
  bool merge;
  bool aligned;     // rows of q, k, v are aligned to 16 bytes
  bool paired;      // rows of o are aligned to two elements
  TileLists tiles;  // outer: rows
  int splits;       // per list
  int pieces;       // per split, each of at most longest tiles: the terms of one float32 sum
  int longest;
  SplitSums sums;  // absent: one split with one float32 sum
};

// Gradients are accumulated if add is set, otherwise overwritten.
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
  bool aligned;     // rows of q, k, v, d_o are aligned to 16 bytes
  bool paired;      // rows of dq, dk, dv are aligned to two elements
  TileLists tiles;  // outer: rows for dq, keys for dk and dv
  int splits;       // per list, for dq
  int pieces;       // per split, for dq, each of at most longest tiles: the terms of one float32 sum
  int longest;
  double* split_dq;  // [split, unit, row, head_dim], not scaled; null: one split with one float32 sum
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

// bias_max = the largest bias that each row sees. If merge is set, bias_max becomes the larger of that and its old value, and
// lse is made relative to the new value.
struct BiasMaxParams {
  ProblemShape shape;
  Visibility visibility;
  Bias bias;
  bool merge;
  Bhs bias_max, lse;
};

// o and lse = the combination of `splits` partial results.
struct CombineParams {
  ProblemShape shape;
  Bshd o;
  Bhs lse;
  bool merge;
  int splits;
  SplitSums sums;
};

// dq = scale * the sum over the splits, plus its previous value if add is set.
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
  Bhs part_bias_max;  // the base of part_lse; absent: 0
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
