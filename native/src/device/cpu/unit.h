// SPDX-License-Identifier: Apache-2.0
// The query rows that share one key/value head of one batch item: its queries times the heads of its group.
// Row r is query r / group, head r % group, so that neighbouring rows see the same keys.
#pragma once

#include <cstdint>

#include "attention/views.h"

namespace lvx {

struct Unit {
  std::int64_t batch;
  std::int64_t key_head;
  std::int64_t group;

  Unit(const Problem& problem, std::int64_t index)
      : batch(index / problem.key_heads),
        key_head(index % problem.key_heads),
        group(problem.query_heads / problem.key_heads) {}

  std::int64_t query(std::int64_t row) const { return row / group; }
  std::int64_t head(std::int64_t row) const { return key_head * group + row % group; }

  static std::int64_t count(const Problem& problem) { return problem.batch * problem.key_heads; }
  static std::int64_t rows(const Problem& problem) {
    return problem.queries * (problem.query_heads / problem.key_heads);
  }
};

}  // namespace lvx
