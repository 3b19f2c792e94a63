// SPDX-License-Identifier: Apache-2.0
// Guarantees of attention on every device, in addition to agreement with the oracle on ordinary problems.
#pragma once

#include <gtest/gtest.h>

#include "device/attention_case.h"
#include "device/problems.h"
#include "support/seed.h"

namespace lvx::testing {

inline void expect_nothing_where_there_is_nothing(Device& device, DType dtype) {
  for (const auto& [batch, queries, keys] : {std::tuple{1, 5, 0}, {1, 0, 5}, {0, 5, 5}, {2, 0, 0}}) {
    Case c(shape_of(batch, queries, keys, 4, 2, 16), dtype, 3);
    expect_matches(device, c, bounds_of(dtype), std::to_string(queries) + "x" + std::to_string(keys));
  }
  Case hidden(shape_of(1, 5, 70, 4, 2, 16), dtype, 4);
  hidden.visibility = Ranges{1, {0, 0, 5, 2, -8, 0, 70, 99, 10, 20}};
  expect_matches(device, hidden, bounds_of(dtype), "only the last row sees keys");
  hidden.visibility.reset();
  hidden.bias.emplace(std::vector<std::int64_t>{1, 1, 1, 70}, dtype);
  hidden.bias->fill(-kInfinity);
  expect_matches(device, hidden, bounds_of(dtype), "a bias of -inf hides everything");
}

// Keys that are hidden from a row, but visible to others, hold NaN and infinity. Queries that see no key hold NaN.
inline void expect_no_leaks(Device& device, DType dtype, std::int64_t queries = 40) {
  for (const bool by_bias : {false, true}) {
    Case clean(shape_of(1, queries, 200, 6, 2, 24), dtype, 8);
    Ranges ranges{1, {}};
    Array bias({1, 1, queries, 200}, dtype);
    for (std::int32_t row = 0; row < queries; ++row) {
      const std::int32_t begin = row == 7 ? 150 : 3 * row;
      const std::int32_t end = row == 7 ? 150 : 3 * row + 40;
      ranges.bounds.push_back(begin);
      ranges.bounds.push_back(end);
      for (std::int32_t key = 0; key < 200; ++key) {
        bias.set(row * 200 + key, begin <= key && key < end ? 0.0 : -kInfinity);
      }
    }
    if (by_bias) {
      clean.bias = bias;
    } else {
      clean.visibility = ranges;
    }
    Case dirty = clean;
    for (std::int64_t i = 0; i < 6 * 24; ++i) {  // query 7 sees nothing
      dirty.q.set(7 * 6 * 24 + i, std::nan(""));
      dirty.d_o.set(7 * 6 * 24 + i, i % 2 == 0 ? kInfinity : std::nan(""));
    }
    for (std::int64_t key = 157; key < 200; ++key) {  // rows see keys below 157
      for (std::int64_t i = 0; i < 2 * 24; ++i) {
        dirty.k.set(key * 2 * 24 + i, i % 2 == 0 ? std::nan("") : kInfinity);
        dirty.v.set(key * 2 * 24 + i, i % 3 == 0 ? std::nan("") : -kInfinity);
      }
    }
    Forward f = device_forward(device, clean);
    Backward b = device_backward(device, clean, f);
    Forward g = device_forward(device, dirty);
    Backward h = device_backward(device, dirty, g);
    const Bounds bounds = bounds_of(dtype);
    EXPECT_LE(error_of(g.o, f.o), bounds.o);
    EXPECT_LE(error_of(g.lse, f.lse), bounds.lse);
    EXPECT_LE(error_of(h.dq, b.dq), bounds.gradients);
    EXPECT_LE(error_of(h.dk, b.dk), bounds.gradients);
    EXPECT_LE(error_of(h.dv, b.dv), bounds.gradients);
    if (by_bias) {
      EXPECT_LE(error_of(*h.d_bias, *b.d_bias), bounds.gradients);
    }
  }
}

// A key has infinity in v. It affects the rows that see the key, and no others.
inline void expect_infinity_to_stay(Device& device, DType dtype) {
  for (const double lost : {kInfinity, -kInfinity}) {
    Case c(shape_of(1, 2, 10, 1, 1, 8), dtype, 9);
    c.visibility = Ranges{1, {0, 5, 0, 10}};
    Forward clean = device_forward(device, c);
    for (std::int64_t d = 0; d < 8; ++d) c.v.set(7 * 8 + d, lost);
    Forward f = device_forward(device, c);
    for (std::int64_t d = 0; d < 8; ++d) {
      EXPECT_EQ(f.o.get(d), clean.o.get(d));
      EXPECT_EQ(f.o.get(8 + d), lost);
    }
  }
}

// A row is divided by the sum of its rounded weights, so values that are all equal are returned exactly.
inline void expect_weights_to_sum_to_one(Device& device, DType dtype) {
  for (const std::int64_t keys : {3, 65, 900}) {
    Case c(shape_of(1, 33, keys, 4, 2, 24), dtype, 61);
    c.v.fill(1);
    const Forward f = device_forward(device, c);
    const double one_rounding = dtype == DType::kFloat64 ? 1e-15 : 1e-6;
    for (std::int64_t i = 0; i < f.o.count(); ++i) EXPECT_NEAR(f.o.get(i), 1, one_rounding) << keys;
  }
}

// A visible NaN propagates to every gradient that depends on it, and to no other.
inline void expect_nan_to_stay(Device& device, DType dtype) {
  Case c(shape_of(1, 70, 70, 1, 1, 8), dtype, 62);
  Forward f = device_forward(device, c);
  Backward clean = device_backward(device, c, f);
  c.d_o.set(5 * 8 + 3, std::nan(""));
  Backward b = device_backward(device, c, f);
  for (std::int64_t i = 0; i < 70 * 8; ++i) {
    EXPECT_TRUE(std::isnan(b.dk.get(i))) << i;
    EXPECT_EQ(std::isnan(b.dv.get(i)), i % 8 == 3) << i;
    EXPECT_EQ(std::isnan(b.dq.get(i)), i / 8 == 5) << i;
    if (i % 8 != 3) {
      EXPECT_EQ(b.dv.get(i), clean.dv.get(i)) << i;
    }
  }
}

inline void expect_parts_to_merge(Device& device, DType dtype, std::int64_t queries = 20) {
  Case c(shape_of(2, queries, 300, 4, 2, 40), dtype, 21);
  c.visibility = random_ranges(c.shape, 2, 22);
  Forward expected = oracle_forward(c);
  Backward expected_gradients = oracle_backward(c, expected);

  const DType sums = accumulator_of(dtype);
  Forward f = empty_forward(c.shape, sums, sums);
  f.lse.fill(-kInfinity);  // o stays NaN: lse alone identifies the identity
  Forward merged = empty_forward(c.shape, dtype, sums);
  merged.lse.fill(-kInfinity);
  Backward b = empty_backward(c.shape, sums, c.bias);
  for (Array* x : {&b.dq, &b.dk, &b.dv}) x->fill(0);
  const std::int64_t bounds[] = {0, 0, 7, 130, 300};
  const auto part_of = [&](int i) {
    ProblemShape p = c.shape;
    p.first_key = bounds[i];
    p.keys = bounds[i + 1] - bounds[i];
    return p;
  };
  for (int i = 0; i < 4; ++i) {
    const ProblemShape p = part_of(i);
    const DeviceMemory scratch(device, device.forward_scratch(p, dtype));
    const std::span<std::byte> room(scratch.data(), scratch.bytes());
    const Bshd k = c.k.bshd().row_range(bounds[i], bounds[i + 1]);
    const Bshd v = c.v.bshd().row_range(bounds[i], bounds[i + 1]);
    device.forward({p, c.q.bshd(), k, v, c.visible(), {}, {f.o.bshd(), f.lse.bhs()}, true}, room);
    Forward part = empty_forward(p, dtype, sums);
    device.forward({p, c.q.bshd(), k, v, c.visible(), {}, {part.o.bshd(), part.lse.bhs()}, false}, room);
    device.merge({part.o.bshd(), part.lse.bhs()}, {merged.o.bshd(), merged.lse.bhs()});
  }
  // With lse = -inf, o is undefined, so rows that see no key keep the NaN that o held. Ignores them.
  for (std::int64_t i = 0; i < f.o.count(); ++i) {
    if (std::isnan(f.o.get(i))) f.o.set(i, 0);
    if (std::isnan(merged.o.get(i))) merged.o.set(i, 0);
  }
  const Bounds limits = bounds_of(dtype);
  EXPECT_LE(error_of(f.o, expected.o), limits.o);
  EXPECT_LE(error_of(f.lse, expected.lse), limits.lse);
  EXPECT_LE(error_of(merged.o, expected.o), 2 * limits.o);  // each of the four parts was rounded
  device.delta(f.o.bshd(), c.d_o.bshd(), b.delta.bhs());
  for (int i = 0; i < 4; ++i) {
    const ProblemShape p = part_of(i);
    const DeviceMemory scratch(device, device.backward_scratch(p, dtype));
    device.backward({p,
                     c.q.bshd(),
                     c.k.bshd().row_range(bounds[i], bounds[i + 1]),
                     c.v.bshd().row_range(bounds[i], bounds[i + 1]),
                     c.d_o.bshd(),
                     f.lse.bhs(),
                     b.delta.bhs(),
                     c.visible(),
                     {},
                     b.dq.bshd(),
                     b.dk.bshd().row_range(bounds[i], bounds[i + 1]),
                     b.dv.bshd().row_range(bounds[i], bounds[i + 1]),
                     {},
                     true,
                     true},
                    {scratch.data(), scratch.bytes()});
  }
  EXPECT_LE(error_of(b.dq, expected_gradients.dq), limits.gradients);
  EXPECT_LE(error_of(b.dk, expected_gradients.dk), limits.gradients);
  EXPECT_LE(error_of(b.dv, expected_gradients.dv), limits.gradients);
}

// With up to 2^seed / 2 ranges per query.
inline void expect_visibility_ranges(Device& device, DType dtype, const ProblemShape& shape, unsigned seed) {
  const std::int64_t ranges = std::int64_t{1} << seed;
  Case c(shape, dtype, seed);
  c.shape.first_key = seed % 2 == 0 ? 1000 : 0;
  c.visibility = random_ranges(c.shape, ranges / 2, seed);
  expect_matches(device, c, bounds_of(dtype), "ranges=" + std::to_string(ranges / 2));
}

inline void expect_bias_broadcast_every_way(Device& device, DType dtype, const ProblemShape& p) {
  for (unsigned way = 0; way < 8; ++way) {
    Case c(p, dtype, way + 1);
    c.bias.emplace(std::vector<std::int64_t>{way & 1 ? p.batch : 1, way & 2 ? p.query_heads : 1,
                                             way & 4 ? p.queries : 1, p.keys},
                   way % 3 == 0 ? accumulator_of(dtype) : dtype);
    std::mt19937 random(test::seeded(way));
    Case::randomize(*c.bias, random);
    for (std::int64_t i = 0; i < c.bias->count(); i += 7) c.bias->set(i, -kInfinity);
    if (way % 2 == 1) c.visibility = random_ranges(c.shape, 2, way);
    expect_matches(device, c, bounds_of(dtype), "way " + std::to_string(way));
  }
}

// Gradients of rows that one key dominates are differences of nearly equal numbers, for which half precision is too coarse. So
// half precision tests forward only.
inline void expect_huge_logits_to_be_safe(Device& device, DType dtype) {
  for (const double sigma : {6.0, 20.0}) {
    Case c(shape_of(1, 17, 83, 4, 2, 64), dtype, 11);
    std::mt19937 random(test::seeded(12));
    for (Array* x : {&c.q, &c.k}) Case::randomize(*x, random, sigma);
    Bounds bounds = bounds_of(dtype);
    if (dtype == DType::kFloat32) bounds = {1e-4, 1e-4, 1e-4};
    if (sigma < 10 || size_of(dtype) > 2) {
      expect_matches(device, c, bounds, "sigma " + std::to_string(sigma));
    } else {
      const Forward expected = oracle_forward(c);
      const Forward f = device_forward(device, c);
      EXPECT_LE(error_of(f.o, expected.o), bounds.o);
      EXPECT_LE(error_of(f.lse, expected.lse), bounds.lse);
    }
  }
}

}  // namespace lvx::testing
