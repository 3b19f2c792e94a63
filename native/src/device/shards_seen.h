// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "attention/views.h"

namespace lvx {

// seen[i] = 1 if any query sees a key of [bounds[i], bounds[i + 1]). All arrays are in host memory.
inline void find_shards_seen(const Visibility& visibility, std::span<const std::int64_t> bounds,
                             std::span<std::uint8_t> seen) {
  std::fill(seen.begin(), seen.end(), std::uint8_t{0});
  const std::int64_t shards = static_cast<std::int64_t>(bounds.size()) - 1;
  const auto bound = [&](std::int64_t i) { return bounds[static_cast<std::size_t>(i)]; };
  for (std::int64_t i = 0; i < visibility.batch * visibility.rows; ++i) {
    if (visibility.everything()) {
      for (std::int64_t s = 0; s < shards; ++s) seen[static_cast<std::size_t>(s)] |= bound(s) < bound(s + 1);
      return;
    }
    const std::int32_t* range = visibility.at(i / visibility.rows, i % visibility.rows);
    for (std::int64_t r = 0; r < visibility.ranges; ++r, range += visibility.range_stride) {
      const std::int64_t begin = range[0];
      const std::int64_t end = range[1];
      if (begin >= end) continue;
      // From the first shard that ends after begin to the last that begins before end.
      const auto first = std::upper_bound(bounds.begin() + 1, bounds.end(), begin);
      for (std::int64_t s = first - bounds.begin() - 1; s < shards && bound(s) < end; ++s) {
        seen[static_cast<std::size_t>(s)] |= bound(s) < bound(s + 1);
      }
    }
  }
}

}  // namespace lvx
