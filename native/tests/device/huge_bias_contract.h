// SPDX-License-Identifier: Apache-2.0
// Guarantees of attention for biases of any finite magnitude: softmax does not depend on a bias that all keys of a row share, so
// results are as exact as with small biases.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "device/attention_case.h"
#include "device/problems.h"
#include "support/seed.h"

namespace lvx::testing {

// Values that masks have in practice, larger ones, and their negatives.
inline constexpr double kHugeBiases[] = {-1e4, -65504, -1e9, -3.4028234663852886e38, 1e4, 65504, 1e9, 3e38};

// |x - reference| / max(1, |reference|), the largest; rows of lse may differ by many orders of magnitude.
inline double entrywise_error(const Array& x, const Array& reference) {
  double largest = 0;
  for (std::int64_t i = 0; i < reference.count(); ++i) {
    const double a = x.get(i);
    const double b = reference.get(i);
    if (std::isinf(b) && a == b) continue;
    if (!std::isfinite(a) || !std::isfinite(b)) return kInfinity;
    largest = std::max(largest, std::abs(a - b) / std::max(1.0, std::abs(b)));
  }
  return largest;
}

// The distribution of a bias's elements.
enum class BiasKind { kConstant, kConstantRows, kSome, kMixed, kSpread };

// A bias that its dtype can represent. Dimensions of extent 1 are broadcast.
inline Array huge_bias(const Case& c, BiasKind kind, unsigned seed, DType dtype) {
  const ProblemShape& p = c.shape;
  std::mt19937 random(test::seeded(seed));
  Array bias({random() % 2 == 0 ? p.batch : 1, random() % 2 == 0 ? p.query_heads : 1,
              random() % 3 != 0 ? p.queries : 1, p.keys},
             dtype);
  const auto pick = [&] {
    const double value = kHugeBiases[random() % std::size(kHugeBiases)];
    // The largest float16.
    return dtype == DType::kFloat16 ? std::clamp(value, -65504.0, 65504.0) : value;
  };
  const double constant = pick();
  double of_row = 0;
  for (std::int64_t i = 0; i < bias.count(); ++i) {
    if (i % p.keys == 0) of_row = pick();
    switch (kind) {
      case BiasKind::kConstant:
        bias.set(i, constant);
        break;
      case BiasKind::kConstantRows:
        bias.set(i, of_row);
        break;
      case BiasKind::kSome:
        bias.set(i, random() % 3 == 0 ? -std::abs(of_row) : 0);
        break;
      case BiasKind::kMixed:
        bias.set(i, random() % 4 == 0 ? -kInfinity : random() % 2 == 0 ? pick() : of_row);
        break;
      case BiasKind::kSpread:  // small differences added to a huge value
        bias.set(i, of_row + static_cast<double>(random() % 9));
        break;
    }
  }
  return bias;
}

inline void expect_exact_with_huge_biases(Device& device, DType dtype, const ProblemShape& shape,
                                          unsigned seed) {
  for (const BiasKind kind :
       {BiasKind::kConstant, BiasKind::kConstantRows, BiasKind::kSome, BiasKind::kMixed, BiasKind::kSpread}) {
    Case c(shape, dtype, seed);
    if (seed % 2 == 1) c.visibility = random_ranges(c.shape, 2, seed);
    c.bias = huge_bias(c, kind, seed + 1000, seed % 3 == 0 ? dtype : accumulator_of(dtype));
    SCOPED_TRACE("seed " + std::to_string(seed) + " kind " + std::to_string(static_cast<int>(kind)) + " " +
                 name_of(dtype));
    Forward expected = oracle_forward(c);
    Backward expected_gradients = oracle_backward(c, expected);
    Forward f = device_forward(device, c);
    Backward b = device_backward(device, c, f);
    const Bounds bounds = bounds_of(dtype);
    EXPECT_LE(error_of(f.o, expected.o), bounds.o);
    EXPECT_LE(entrywise_error(f.lse, expected.lse), bounds.lse);
    EXPECT_LE(entrywise_error(*f.rest, *expected.rest), bounds.lse);
    EXPECT_LE(error_of(b.dq, expected_gradients.dq), bounds.gradients);
    EXPECT_LE(error_of(b.dk, expected_gradients.dk), bounds.gradients);
    EXPECT_LE(error_of(b.dv, expected_gradients.dv), bounds.gradients);
    EXPECT_LE(error_of(*b.d_bias, *expected_gradients.d_bias), bounds.gradients);
  }
}

// A bias that all keys of a row share changes only its lse. Other results may be rounded differently if that bias is not 0.
inline void expect_a_shared_bias_to_change_lse_alone(Device& device, DType dtype, std::int64_t queries) {
  Case plain(shape_of(2, queries, 170, 4, 2, 40), dtype, 31);
  Forward f = device_forward(device, plain);
  Backward b = device_backward(device, plain, f);
  for (const double shared : kHugeBiases) {
    SCOPED_TRACE(shared);
    Case c = plain;
    c.bias.emplace(std::vector<std::int64_t>{1, 1, 1, c.shape.keys}, accumulator_of(dtype));
    c.bias->fill(shared);
    Forward g = device_forward(device, c);
    Backward h = device_backward(device, c, g);
    for (std::int64_t i = 0; i < g.lse.count(); ++i) {
      EXPECT_NEAR(g.lse.get(i), shared + f.lse.get(i), 1e-7 * std::abs(shared)) << i;
      EXPECT_NEAR(g.rest->get(i), f.lse.get(i), 1e-6) << i;
    }
    // Half precision may round to the adjacent value.
    const Bounds bounds = size_of(dtype) > 2 ? Bounds{1e-6, 1e-6, 1e-6} : bounds_of(dtype);
    EXPECT_LE(error_of(g.o, f.o), bounds.o);
    EXPECT_LE(error_of(h.dq, b.dq), bounds.gradients);
    EXPECT_LE(error_of(h.dk, b.dk), bounds.gradients);
    EXPECT_LE(error_of(h.dv, b.dv), bounds.gradients);
  }
}

// Parts with different biases, merged by forward itself and by merge, in the given order.
inline void expect_parts_with_huge_biases_to_merge(Device& device, DType dtype, std::int64_t queries,
                                                   unsigned seed) {
  Case c(shape_of(2, queries, 300, 4, 2, 40), dtype, seed);
  std::mt19937 random(test::seeded(seed));
  c.bias.emplace(std::vector<std::int64_t>{2, 4, queries, 300}, accumulator_of(dtype));
  const std::int64_t bounds[] = {0, 0, 7, 130, 300};
  for (std::int64_t row = 0; row < c.bias->count() / 300; ++row) {
    for (int part = 0; part < 4; ++part) {
      const double shared = random() % 5 == 0 ? -kInfinity : kHugeBiases[random() % std::size(kHugeBiases)];
      for (std::int64_t key = bounds[part]; key < bounds[part + 1]; ++key)
        c.bias->set(row * 300 + key, shared);
    }
  }
  Forward expected = oracle_forward(c);
  const DType sums = accumulator_of(dtype);
  Forward f = empty_forward(c, sums, sums);
  Forward merged = empty_forward(c, sums, sums);
  for (Forward* x : {&f, &merged}) {
    x->rest->fill(-kInfinity);  // o stays NaN: lse alone identifies the identity
    x->bias_max->fill(-kInfinity);
  }
  for (int i = 0; i < 4; ++i) {
    ProblemShape p = c.shape;
    p.keys = bounds[i + 1] - bounds[i];
    const DeviceMemory scratch(device, device.forward_scratch(p, dtype));
    const std::span<std::byte> room(scratch.data(), scratch.bytes());
    const Bshd k = c.k.bshd().row_range(bounds[i], bounds[i + 1]);
    const Bshd v = c.v.bshd().row_range(bounds[i], bounds[i + 1]);
    const Bias bias = c.bias->bias().key_range(bounds[i], bounds[i + 1]);
    const auto partial = [](Forward& x) { return Partial{x.o.bshd(), x.rest->bhs(), x.bias_max->bhs()}; };
    device.forward({p, c.q.bshd(), k, v, {}, bias, partial(f), true}, room);
    Forward part = empty_forward(c, sums, sums);
    device.forward({p, c.q.bshd(), k, v, {}, bias, partial(part), false}, room);
    device.merge(partial(part), partial(merged));
  }
  for (Forward* x : {&f, &merged}) {
    for (std::int64_t i = 0; i < x->o.count(); ++i) {
      if (std::isnan(x->o.get(i))) x->o.set(i, 0);
    }
    EXPECT_LE(error_of(x->o, expected.o), bounds_of(dtype).o) << "seed " << seed;
    EXPECT_LE(entrywise_error(*x->rest, *expected.rest), bounds_of(dtype).lse) << "seed " << seed;
    EXPECT_EQ(error_of(*x->bias_max, *expected.bias_max), 0) << "seed " << seed;
  }
}

}  // namespace lvx::testing
