// SPDX-License-Identifier: Apache-2.0
// The rows of a unit: the query rows that share one key/value head of one batch item, which are its queries times the heads
// of its group. Row r is query r / group and head r % group, so that adjacent rows see the same keys, and a short query block
// still fills a tile.
#pragma once

#include "attention/views.h"
#include "device/cuda/warp/warp.h"

namespace lvx::cuda {

struct UnitRows {
  std::int64_t batch;
  int key_head;
  int group;
  int count;

  LVX_GPU UnitRows(const ProblemShape& shape, std::int64_t unit)
      : batch(unit / shape.key_heads),
        key_head(static_cast<int>(unit % shape.key_heads)),
        group(static_cast<int>(shape.query_heads / shape.key_heads)),
        count(static_cast<int>(shape.queries) * group) {}

  LVX_GPU int query(int row) const { return row / group; }
  LVX_GPU int head(int row) const { return key_head * group + row % group; }
};

// The rows of a unit's key head, in a tensor of keys or values.
struct UnitKeys {
  std::int64_t batch;
  int key_head;
  int count;

  LVX_GPU UnitKeys(const ProblemShape& shape, const UnitRows& rows)
      : batch(rows.batch), key_head(rows.key_head), count(static_cast<int>(shape.keys)) {}

  LVX_GPU int query(int row) const { return row; }
  LVX_GPU int head(int) const { return key_head; }
};

}  // namespace lvx::cuda
