// SPDX-License-Identifier: Apache-2.0
// One task of backward: all rows of a unit against a run of keys. No other task writes those keys' dk, dv and d_bias.
// Its share of dq is added to the other tasks' shares afterwards.
#pragma once

#include "device/cpu/blocking.h"
#include "device/cpu/operand.h"
#include "device/cpu/range_cursor.h"
#include "device/cpu/scratch.h"
#include "device/cpu/unit.h"
#include "device/problem.h"

namespace lvx {

// Which sums have more terms than a group, so that groups are accumulated in float64.
struct BackwardGroups {
  bool keys;  // dq, a sum over keys
  bool rows;  // dk and dv, sums over rows

  BackwardGroups(const ProblemShape& shape, std::int64_t keys_of_task)
      : keys(keys_of_task > kGroupKeys), rows(Unit::rows(shape) > kGroupPanels * kPanelRows) {}
};

// The sum of a panel's groups of keys so far.
struct DqSums {
  std::int64_t tiles;  // tiles of the current group, which has not been added yet
  bool begun;
};

template <typename Operand>
struct BackwardTask {
  const BackwardProblem* problem;
  std::int64_t unit;
  std::int64_t key_begin, key_end;
  std::int64_t next_unit, next_key;  // this thread's probable next task; prefetched at the end
  BackwardGroups groups;
  Accumulator<Operand>* dq;  // [unit row, packed head_dim], not yet scaled
};

// A pair holds two adjacent terms of a sum: adjacent elements of head_dim, or two adjacent keys or rows. Extents count
// operands, so they are smaller if each operand holds several terms. "numbers: x" means that the array is x unless operands
// are pairs.
template <typename Operand>
struct BackwardWorkspace {
  using T = Accumulator<Operand>;
  // Bytes of a key of the block per element of head_dim: k, v, k by keys (pairs only), dk, dv.
  static constexpr std::size_t kBytes =
      (kIsPair<Operand> ? 3 : 2) * sizeof(Operand) / kTerms<Operand> + 2 * sizeof(T);

  Operand *k, *v;                    // [key of the block, packed head_dim]
  Operand* k_by_keys;                // [key of the block, packed head_dim], terms along keys; numbers: k
  T *dk, *dv;                        // [key of the block, packed head_dim]
  Operand* room;                     // [panel row, packed head_dim]
  Operand *q, *d_o;                  // [panel row, packed head_dim], terms along rows
  Operand *q_columns, *d_o_columns;  // [head_dim, panel row], terms along head_dim
  T *s, *dp;                         // [key of the tile, panel row]
  Operand *p, *ds;                   // the same, terms along rows; numbers: s and dp
  Operand* ds_by_keys;               // the same, terms along keys; numbers: ds
  T* mask;                           // [key of the tile, panel row]
  T *lse, *delta, *only;             // [panel row]
  RangeCursor* cursors;              // per query
  RangeCursor* panel_cursors;        // per query of the panel
  // Sums of all groups before the current one, if there are several groups.
  double* dq_sums;            // [unit row, packed head_dim]
  DqSums* dq_panels;          // per panel
  double *dk_sums, *dv_sums;  // [key of the block, packed head_dim]
  double* d_bias_sums;        // [head of the unit, key of the block], if the bias is broadcast along queries

  BackwardWorkspace(Scratch& scratch, const ProblemShape& shape, const BackwardGroups& groups) {
    const std::int64_t packed = packed_dim(shape.head_dim);
    const std::int64_t keys = block_keys(shape, kBytes);
    const auto factors = [&](std::int64_t terms) { return scratch.take<Operand>(terms / kTerms<Operand>); };
    k = factors(keys * packed);
    v = factors(keys * packed);
    k_by_keys = kIsPair<Operand> ? factors(keys * packed) : k;
    dk = scratch.take<T>(keys * packed);
    dv = scratch.take<T>(keys * packed);
    q = factors(kPanelRows * packed);
    d_o = factors(kPanelRows * packed);
    room = kIsPair<Operand> ? factors(kPanelRows * packed) : nullptr;
    q_columns = factors(kPanelRows * packed);
    d_o_columns = factors(kPanelRows * packed);
    s = scratch.take<T>(kTileKeys * kPanelRows);
    dp = scratch.take<T>(kTileKeys * kPanelRows);
    if constexpr (kIsPair<Operand>) {
      p = factors(kTileKeys * kPanelRows);
      ds = factors(kTileKeys * kPanelRows);
      ds_by_keys = factors(kTileKeys * kPanelRows);
    } else {
      p = s;
      ds = ds_by_keys = dp;
    }
    mask = scratch.take<T>(kTileKeys * kPanelRows);
    lse = scratch.take<T>(kPanelRows);
    delta = scratch.take<T>(kPanelRows);
    only = scratch.take<T>(kPanelRows);
    cursors = scratch.take<RangeCursor>(shape.queries);
    panel_cursors = scratch.take<RangeCursor>(kPanelRows);
    const std::int64_t rows = Unit::rows(shape);
    dq_sums = scratch.take<double>(groups.keys ? rows * packed : 0);
    dq_panels = scratch.take<DqSums>(groups.keys ? divide_up(rows, kPanelRows) : 0);
    dk_sums = scratch.take<double>(groups.rows ? keys * packed : 0);
    dv_sums = scratch.take<double>(groups.rows ? keys * packed : 0);
    d_bias_sums = scratch.take<double>(shape.query_heads / shape.key_heads * keys);
  }
};

void run_backward_task(const BackwardTask<float>& task, std::byte* workspace);
void run_backward_task(const BackwardTask<double>& task, std::byte* workspace);
void run_backward_task(const BackwardTask<BFloat16Pair>& task, std::byte* workspace);

}  // namespace lvx
