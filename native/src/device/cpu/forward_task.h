// SPDX-License-Identifier: Apache-2.0
// One task of forward: a block of a unit's rows against a run of keys.
#pragma once

#include "device/cpu/blocking.h"
#include "device/cpu/operand.h"
#include "device/cpu/range_cursor.h"
#include "device/cpu/scratch.h"
#include "device/problem.h"

namespace lvx {

template <typename Operand>
struct ForwardTask {
  using T = Accumulator<Operand>;

  const ForwardProblem* problem;
  std::int64_t unit;
  std::int64_t row_begin, row_end;
  std::int64_t key_begin, key_end;
  std::int64_t next_unit, next_key;  // this thread's probable next task; prefetched at the end
  bool grouped;                      // whether tasks may have more keys than a group
  // The unit's partial result; if partial_o is null, the final result is written to problem->out instead. Maximum and sum
  // are kept separate, because combining them to an lse would round off a part's weight if logits are huge.
  T* partial_o;    // [row, head_dim], normalised
  T* partial_max;  // [row]
  T* partial_sum;
};

// The sums of a panel's groups of keys so far, kept in place of a RunningSoftmax.
struct GroupSums {
  double max[kPanelRows];
  double sum[kPanelRows];
  double rounded[kPanelRows];
  std::int64_t tiles;  // tiles of the current group, which has not been added yet
  bool begun;

  void clear() {
    tiles = 0;
    begun = false;
  }
};

// A pair holds two adjacent terms of a sum: adjacent elements of head_dim, or two adjacent keys. Extents count operands, so
// they are smaller if each operand holds several terms. "numbers: x" means that the array is x unless operands are pairs.
template <typename Operand>
struct ForwardWorkspace {
  using T = Accumulator<Operand>;
  // Bytes of a row of the block per element of head_dim: q, o.
  static constexpr std::size_t kBytes = sizeof(Operand) / kTerms<Operand> + sizeof(T);

  Operand* q;  // per panel [head_dim, panel row]
  T* o;        // per panel [panel row, packed head_dim], not normalised
  T* s;        // [key, panel row]
  Operand* p;  // the same, terms along keys; numbers: s
  T* mask;
  Operand* k;    // [key, packed head_dim]
  Operand* v;    // [key, packed head_dim], terms along keys
  Operand* row;  // temporary memory for transposing
  T* state;      // per panel: a RunningSoftmax
  RangeCursor* cursors;
  double* o_sums;   // sums of all groups, in the layout of o; only if tasks are grouped
  GroupSums* sums;  // per panel; only if tasks are grouped

  ForwardWorkspace(Scratch& scratch, const ProblemShape& shape, bool grouped) {
    const std::int64_t rows = block_rows(shape, kBytes);
    const std::int64_t panels = rows / kPanelRows;
    const std::int64_t packed = packed_dim(shape.head_dim);
    const auto factors = [&](std::int64_t terms) { return scratch.take<Operand>(terms / kTerms<Operand>); };
    q = factors(panels * kPanelRows * packed);
    o = scratch.take<T>(panels * kPanelRows * packed);
    s = scratch.take<T>(kTileKeys * kPanelRows);
    if constexpr (kIsPair<Operand>) {
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
