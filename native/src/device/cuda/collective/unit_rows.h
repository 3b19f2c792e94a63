// SPDX-License-Identifier: Apache-2.0
// The query rows that share one key/value head of one batch item: its queries times the heads of its group. Row r is
// query r / group, head r % group, so that neighbouring rows see the same keys, and a short query block still fills a
// tile.
#pragma once

#include "attention/views.h"
#include "device/cuda/warp/warp.h"

namespace lvx::cuda {

struct UnitRows {
  std::int64_t batch;
  int key_head;
  int group;
  int count;

  LVX_GPU UnitRows(const Problem& problem, std::int64_t unit)
      : batch(unit / problem.key_heads),
        key_head(static_cast<int>(unit % problem.key_heads)),
        group(static_cast<int>(problem.query_heads / problem.key_heads)),
        count(static_cast<int>(problem.queries) * group) {}

  LVX_GPU int query(int row) const { return row / group; }
  LVX_GPU int head(int row) const { return key_head * group + row % group; }
};

// The rows of a tensor of keys, as one head of a unit has them.
struct UnitKeys {
  std::int64_t batch;
  int key_head;
  int count;

  LVX_GPU UnitKeys(const Problem& problem, const UnitRows& rows)
      : batch(rows.batch), key_head(rows.key_head), count(static_cast<int>(problem.keys)) {}

  LVX_GPU int query(int row) const { return row; }
  LVX_GPU int head(int) const { return key_head; }
};

}  // namespace lvx::cuda
