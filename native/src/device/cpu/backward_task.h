// SPDX-License-Identifier: Apache-2.0
// One piece of backward: all rows of a unit against a run of keys. It alone writes those keys' dk, dv and d_bias;
// its share of dq is summed with the others' afterwards.
#pragma once

#include "device/cpu/blocking.h"
#include "device/cpu/factor.h"
#include "device/cpu/range_cursor.h"
#include "device/cpu/scratch.h"
#include "device/cpu/unit.h"
#include "device/device.h"

namespace lvx {

// Which sums have more terms than a group, and are added up in float64.
struct BackwardGroups {
  bool keys;  // dq's
  bool rows;  // dk's and dv's

  BackwardGroups(const Problem& problem, std::int64_t keys_of_task)
      : keys(keys_of_task > kGroupKeys), rows(Unit::rows(problem) > kGroupPanels * kPanelRows) {}
};

// The sum of a panel's groups of keys so far; it begins with the first.
struct DqSums {
  std::int64_t tiles;  // of the group that has not been added yet
  bool begun;
};

template <typename Factor>
struct BackwardTask {
  const BackwardArguments* arguments;
  std::int64_t unit;
  std::int64_t key_begin, key_end;
  std::int64_t next_unit, next_key;  // where this thread probably goes on: prefetched at the end
  BackwardGroups groups;
  SumOf<Factor>* dq;  // [unit row, packed head_dim], not yet scaled
};

// Factors of sums over head_dim hold neighbours along it, those of sums over keys or rows neighbouring keys or rows.
// Extents count what is held: where a factor has several terms, there are fewer factors.
template <typename Factor>
struct BackwardWorkspace {
  using T = SumOf<Factor>;
  // Of a block's keys, for each element of head_dim: k, v, for pairs k by keys, dk, dv.
  static constexpr std::size_t kBytes =
      (kIsPair<Factor> ? 3 : 2) * sizeof(Factor) / kTerms<Factor> + 2 * sizeof(T);

  Factor *k, *v;                    // [key of the block, packed head_dim]
  Factor* k_by_keys;                // [key of the block, packed head_dim], terms along keys; numbers: k
  T *dk, *dv;                       // [key of the block, packed head_dim]
  Factor* room;                     // [panel row, packed head_dim]
  Factor *q, *d_o;                  // [panel row, packed head_dim], terms along rows
  Factor *q_columns, *d_o_columns;  // [head_dim, panel row], terms along head_dim
  T *s, *dp;                        // [key of the tile, panel row]
  Factor *p, *ds;                   // the same, terms along rows; numbers: s and dp
  Factor* ds_by_keys;               // the same, terms along keys; numbers: ds
  T* mask;                          // [key of the tile, panel row]
  T *lse, *delta, *only;            // [panel row]
  RangeCursor* cursors;             // per query
  RangeCursor* panel_cursors;       // per query of the panel
  // Of all groups before the last one, where there are several.
  double* dq_sums;            // [unit row, packed head_dim]
  DqSums* dq_panels;          // per panel
  double *dk_sums, *dv_sums;  // [key of the block, packed head_dim]
  double* d_bias_sums;        // [head of the unit, key of the block]: a bias that all queries share

  BackwardWorkspace(Scratch& scratch, const Problem& problem, const BackwardGroups& groups) {
    const std::int64_t packed = packed_dim(problem.head_dim);
    const std::int64_t keys = block_keys(problem, kBytes);
    const auto factors = [&](std::int64_t terms) { return scratch.take<Factor>(terms / kTerms<Factor>); };
    k = factors(keys * packed);
    v = factors(keys * packed);
    k_by_keys = kIsPair<Factor> ? factors(keys * packed) : k;
    dk = scratch.take<T>(keys * packed);
    dv = scratch.take<T>(keys * packed);
    q = factors(kPanelRows * packed);
    d_o = factors(kPanelRows * packed);
    room = kIsPair<Factor> ? factors(kPanelRows * packed) : nullptr;
    q_columns = factors(kPanelRows * packed);
    d_o_columns = factors(kPanelRows * packed);
    s = scratch.take<T>(kTileKeys * kPanelRows);
    dp = scratch.take<T>(kTileKeys * kPanelRows);
    if constexpr (kIsPair<Factor>) {
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
    cursors = scratch.take<RangeCursor>(problem.queries);
    panel_cursors = scratch.take<RangeCursor>(kPanelRows);
    const std::int64_t rows = Unit::rows(problem);
    dq_sums = scratch.take<double>(groups.keys ? rows * packed : 0);
    dq_panels = scratch.take<DqSums>(groups.keys ? divide_up(rows, kPanelRows) : 0);
    dk_sums = scratch.take<double>(groups.rows ? keys * packed : 0);
    dv_sums = scratch.take<double>(groups.rows ? keys * packed : 0);
    d_bias_sums = scratch.take<double>(problem.query_heads / problem.key_heads * keys);
  }
};

void run_backward_task(const BackwardTask<float>& task, std::byte* workspace);
void run_backward_task(const BackwardTask<double>& task, std::byte* workspace);
void run_backward_task(const BackwardTask<BFloat16Pair>& task, std::byte* workspace);

}  // namespace lvx
