// SPDX-License-Identifier: Apache-2.0
// Attention problems, and the comparison of a device with the oracle.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "device/attention_case.h"
#include "device/cpu/cpu_device.h"
#include "support/seed.h"

namespace lvx::testing {

inline std::unique_ptr<Device> device_with(int threads) { return make_cpu_device({threads, 0}); }

inline void expect_matches(Device& device, Case& c, const Bounds& bounds, const std::string& what) {
  SCOPED_TRACE(what + " " + name_of(c.dtype));
  Forward expected = oracle_forward(c);
  Backward expected_gradients = oracle_backward(c, expected);
  Forward f = device_forward(device, c);
  Backward b = device_backward(device, c, f);
  EXPECT_LE(error_of(f.o, expected.o), bounds.o);
  EXPECT_LE(error_of(f.lse, expected.lse), bounds.lse);
  EXPECT_LE(error_of(b.dq, expected_gradients.dq), bounds.gradients);
  EXPECT_LE(error_of(b.dk, expected_gradients.dk), bounds.gradients);
  EXPECT_LE(error_of(b.dv, expected_gradients.dv), bounds.gradients);
  if (c.bias) {
    EXPECT_LE(error_of(*b.d_bias, *expected_gradients.d_bias), bounds.gradients);
  }
  for (const Array* x : {&f.o, &b.dq, &b.dk, &b.dv}) EXPECT_TRUE(x->gaps_untouched());
}

inline ProblemShape shape_of(std::int64_t batch, std::int64_t queries, std::int64_t keys,
                             std::int64_t query_heads, std::int64_t key_heads, std::int64_t dim) {
  return {batch, queries, keys, query_heads, key_heads, dim, 1 / std::sqrt(static_cast<double>(dim)), 0};
}

// R ascending, disjoint ranges per query over keys [first, first + keys) and slightly beyond. Some are empty.
inline Ranges random_ranges(const ProblemShape& p, std::int64_t ranges, unsigned seed) {
  std::mt19937 random(test::seeded(seed));
  Ranges result{ranges, {}};
  for (std::int64_t row = 0; row < p.batch * p.queries; ++row) {
    std::vector<std::int32_t> bounds;
    std::uniform_int_distribution<std::int64_t> bound(p.first_key - 9, p.first_key + p.keys + 9);
    for (std::int64_t i = 0; i < 2 * ranges; ++i) bounds.push_back(static_cast<std::int32_t>(bound(random)));
    std::sort(bounds.begin(), bounds.end());
    for (std::int64_t r = 0; r < ranges; ++r) {
      if (random() % 5 == 0) {
        bounds[static_cast<std::size_t>(2 * r)] = 90;  // empty, and out of order, which empty ranges may be
        bounds[static_cast<std::size_t>(2 * r + 1)] = 20;
      }
    }
    result.bounds.insert(result.bounds.end(), bounds.begin(), bounds.end());
  }
  return result;
}

}  // namespace lvx::testing
