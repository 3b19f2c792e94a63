// SPDX-License-Identifier: Apache-2.0
// One piece of backward: all rows of a unit against a run of keys. It alone writes those keys' dk, dv and d_bias;
// its share of dq is summed with the others' afterwards.
#pragma once

#include "device/cpu/blocking.h"
#include "device/cpu/range_cursor.h"
#include "device/cpu/scratch.h"
#include "device/cpu/unit.h"
#include "device/device.h"

namespace lvx {

template <typename T>
struct BackwardTask {
  const BackwardArguments* arguments;
  std::int64_t unit;
  std::int64_t key_begin, key_end;
  std::int64_t next_unit, next_key;  // where this thread probably goes on: prefetched at the end
  T* dq;                             // [unit row, packed head_dim], not yet scaled
};

template <typename T>
struct BackwardWorkspace {
  T *k, *v, *dk, *dv;          // [key of the block, packed head_dim]
  T *q, *d_o, *dq;             // [panel row, packed head_dim]
  T *q_columns, *d_o_columns;  // [head_dim, panel row]
  T *p, *ds, *mask;            // [key of the tile, panel row]
  T *lse, *delta;              // [panel row]
  RangeCursor* cursors;        // per query
  RangeCursor* panel_cursors;  // per query of the panel

  BackwardWorkspace(Scratch& scratch, const Problem& problem) {
    const std::int64_t packed = packed_dim(problem.head_dim);
    const auto block = [&] { return scratch.take<T>(block_keys(problem, sizeof(T)) * packed); };
    k = block();
    v = block();
    dk = block();
    dv = block();
    const auto panel = [&] { return scratch.take<T>(kPanelRows * packed); };
    q = panel();
    d_o = panel();
    dq = panel();
    q_columns = panel();
    d_o_columns = panel();
    const auto tile = [&] { return scratch.take<T>(kTileKeys * kPanelRows); };
    p = tile();
    ds = tile();
    mask = tile();
    lse = scratch.take<T>(kPanelRows);
    delta = scratch.take<T>(kPanelRows);
    cursors = scratch.take<RangeCursor>(problem.queries);
    panel_cursors = scratch.take<RangeCursor>(kPanelRows);
  }
};

void run_backward_task(const BackwardTask<float>& task, std::byte* workspace);
void run_backward_task(const BackwardTask<double>& task, std::byte* workspace);

}  // namespace lvx
