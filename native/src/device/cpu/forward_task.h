// SPDX-License-Identifier: Apache-2.0
// One piece of forward: a block of a unit's rows against a run of keys.
#pragma once

#include "device/cpu/blocking.h"
#include "device/cpu/factor.h"
#include "device/cpu/range_cursor.h"
#include "device/cpu/scratch.h"
#include "device/device.h"

namespace lvx {

template <typename Factor>
struct ForwardTask {
  using T = SumOf<Factor>;

  const ForwardArguments* arguments;
  std::int64_t unit;
  std::int64_t row_begin, row_end;
  std::int64_t key_begin, key_end;
  std::int64_t next_unit, next_key;  // where this thread probably goes on: prefetched at the end
  bool grouped;                      // whether tasks may have more keys than a group
  // Where the unit's partial result goes; o null: finished into arguments->out. Maximum and sum stay apart, as
  // their lse would round off what a part weighs where logits are huge.
  T* partial_o;    // [row, head_dim], normalised
  T* partial_max;  // [row]
  T* partial_sum;
};

// The sums of a panel's groups of keys so far, in place of a RunningSoftmax; they begin with the first group.
struct GroupSums {
  double max[kPanelRows];
  double sum[kPanelRows];
  double rounded[kPanelRows];
  std::int64_t tiles;  // of the group that has not been added yet
  bool begun;

  void clear() {
    tiles = 0;
    begun = false;
  }
};

// Factors of sums over head_dim hold neighbours along it, those of sums over keys neighbouring keys. Extents count what
// is held: where a factor has several terms, there are fewer factors.
template <typename Factor>
struct ForwardWorkspace {
  using T = SumOf<Factor>;
  // Of a block's rows, for each element of head_dim: q, o.
  static constexpr std::size_t kBytes = sizeof(Factor) / kTerms<Factor> + sizeof(T);

  Factor* q;  // per panel [head_dim, panel row]
  T* o;       // per panel [panel row, packed head_dim], not normalised
  T* s;       // [key, panel row]
  Factor* p;  // the same, terms along keys; numbers: s
  T* mask;
  Factor* k;    // [key, packed head_dim]
  Factor* v;    // [key, packed head_dim], terms along keys
  Factor* row;  // room for transposing
  T* state;     // per panel: a RunningSoftmax
  RangeCursor* cursors;
  double* o_sums;   // as o, of all groups; where tasks are grouped
  GroupSums* sums;  // per panel; likewise

  ForwardWorkspace(Scratch& scratch, const Problem& problem, bool grouped) {
    const std::int64_t rows = block_rows(problem, kBytes);
    const std::int64_t panels = rows / kPanelRows;
    const std::int64_t packed = packed_dim(problem.head_dim);
    const auto factors = [&](std::int64_t terms) { return scratch.take<Factor>(terms / kTerms<Factor>); };
    q = factors(panels * kPanelRows * packed);
    o = scratch.take<T>(panels * kPanelRows * packed);
    s = scratch.take<T>(kTileKeys * kPanelRows);
    if constexpr (kIsPair<Factor>) {
      p = factors(kTileKeys * kPanelRows);
    } else {
      p = s;
    }
    mask = scratch.take<T>(kTileKeys * kPanelRows);
    k = factors(kTileKeys * packed);
    v = factors(kTileKeys * packed);
    row = factors(kPanelRows * packed);
    state = scratch.take<T>(panels * 4 * kPanelRows);
    cursors = scratch.take<RangeCursor>(rows);
    o_sums = scratch.take<double>(grouped ? panels * kPanelRows * packed : 0);
    sums = scratch.take<GroupSums>(grouped ? panels : 0);
  }
};

void run_forward_task(const ForwardTask<float>& task, std::byte* workspace);
void run_forward_task(const ForwardTask<double>& task, std::byte* workspace);
void run_forward_task(const ForwardTask<BFloat16Pair>& task, std::byte* workspace);

}  // namespace lvx
