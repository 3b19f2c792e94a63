// SPDX-License-Identifier: Apache-2.0
// A unit: the query rows that share one key/value head of one batch item, which are its queries times the heads of its group.
// Row r is query r / group and head r % group, so that adjacent rows see the same keys.
#pragma once

#include <cstdint>

#include "attention/views.h"

namespace lvx {

struct Unit {
  std::int64_t batch;
  std::int64_t key_head;
  std::int64_t group;

  Unit(const ProblemShape& shape, std::int64_t index)
      : batch(index / shape.key_heads),
        key_head(index % shape.key_heads),
        group(shape.query_heads / shape.key_heads) {}

  std::int64_t query(std::int64_t row) const { return row / group; }
  std::int64_t head(std::int64_t row) const { return key_head * group + row % group; }

  static std::int64_t count(const ProblemShape& shape) { return shape.batch * shape.key_heads; }
  static std::int64_t rows(const ProblemShape& shape) {
    return shape.queries * (shape.query_heads / shape.key_heads);
  }
};

}  // namespace lvx
