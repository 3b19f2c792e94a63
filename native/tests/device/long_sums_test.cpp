// SPDX-License-Identifier: Apache-2.0
// Sums over very many keys, queries and parts are as exact as short ones. Values far from 0 and terms that are all equal are the
// worst case, because all rounding errors then have the same sign.
#include <gtest/gtest.h>

#include "device/long_problems.h"
#include "support/campaign.h"

namespace lvx::testing {
namespace {

class LongSums : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Attention, LongSums,
                         ::testing::Values(DType::kFloat64, DType::kFloat32, DType::kBFloat16,
                                           DType::kFloat16),
                         [](const auto& parameter) { return name_of(parameter.param); });

const std::vector<double> kEqual{1};
const std::vector<double> kRuns{0.5, 0.3, 0.2};
const std::vector<double> kRareLast{0.999, 0.001};

void expect_exact_forward(Device& device, ManyKeys& c, const std::string& what) {
  SCOPED_TRACE(what + " " + name_of(c.many.dtype));
  const Bounds bounds = bounds_of(c.many.dtype);
  const Forward expected = oracle_forward(c.few);
  const Forward f = device_forward(device, c.many);
  EXPECT_LE(error_of(f.o, expected.o), bounds.o);
  EXPECT_LE(error_of(f.lse, expected.lse), bounds.lse);
}

// A few queries use decode, many use blocks. With two threads, keys are split into parts.
TEST_P(LongSums, ForwardOverManyKeys) {
  const std::int64_t keys = test::sum_length(std::int64_t{1} << 22, std::int64_t{1} << 17);
  unsigned seed = 0;
  for (const int threads : {1, 2}) {
    const auto device = device_with(threads);
    for (const std::int64_t queries : {1, 20}) {
      for (const auto& shares : {kEqual, kRuns, kRareLast}) {
        const double offset = shares.size() == 3 ? 0 : 3;
        ManyKeys c(shape_of(1, queries, 0, 2, 1, 16), GetParam(), runs_of(keys, shares),
                   static_cast<std::int64_t>(shares.size()), offset, ++seed);
        expect_exact_forward(*device, c,
                             "queries=" + std::to_string(queries) + " seed=" + std::to_string(seed));
      }
    }
  }
}

TEST_P(LongSums, BackwardOverManyKeys) {
  const std::int64_t keys = test::sum_length(std::int64_t{1} << 21, std::int64_t{1} << 16);
  const Bounds bounds = bounds_of(GetParam());
  unsigned seed = 50;
  for (const int threads : {1, 2}) {
    const auto device = device_with(threads);
    for (const std::int64_t queries : {1, 60}) {
      ManyKeys c(shape_of(1, queries, 0, 2, 1, 16), GetParam(), runs_of(keys, kRuns), 3, 0, ++seed);
      SCOPED_TRACE("queries=" + std::to_string(queries) + " seed=" + std::to_string(seed));
      Forward expected = oracle_forward(c.few);
      const Backward gradients = oracle_backward(c.few, expected);
      Forward f = device_forward(*device, c.many);
      const Backward b = device_backward(*device, c.many, f);
      EXPECT_LE(error_of(b.dq, gradients.dq), bounds.gradients);
      EXPECT_LE(c.error_of_keys(b.dk, gradients.dk), bounds.gradients);
      EXPECT_LE(c.error_of_keys(b.dv, gradients.dv), bounds.gradients);
    }
  }
}

// The keys are one row with stride 0, so that they take no memory.
TEST(LongSums, TwoToThe24EqualKeys) {
  constexpr std::int64_t kKeys = std::int64_t{1} << (test::kSanitized ? 20 : 24);
  const auto device = device_with(2);
  for (const DType dtype : {DType::kFloat64, DType::kFloat32, DType::kBFloat16}) {
    for (const std::int64_t queries : {1, 9}) {
      SCOPED_TRACE(std::string(name_of(dtype)) + " queries=" + std::to_string(queries));
      Case one(shape_of(1, queries, 1, 1, 1, 8), dtype, 90);
      for (std::int64_t i = 0; i < 8; ++i) one.v.set(i, 96 + one.v.get(i));
      const Forward expected = oracle_forward(one);
      ProblemShape p = one.shape;
      p.keys = kKeys;
      Bshd k = one.k.bshd();
      Bshd v = one.v.bshd();
      k.row_stride = v.row_stride = 0;
      k.rows = v.rows = kKeys;
      Forward f = empty_forward(p, dtype, accumulator_of(dtype));
      const DeviceMemory scratch(*device, device->forward_scratch(p, dtype));
      device->forward({p, one.q.bshd(), k, v, {}, {}, {f.o.bshd(), f.lse.bhs()}, false},
                      {scratch.data(), scratch.bytes()});
      const Bounds bounds = bounds_of(dtype);
      EXPECT_LE(error_of(f.o, expected.o), bounds.o);
      for (std::int64_t i = 0; i < f.lse.count(); ++i) {
        const double lse = expected.lse.get(i) + std::log(static_cast<double>(kKeys));
        EXPECT_LE(std::abs(f.lse.get(i) - lse), bounds.lse * std::abs(lse));
      }
    }
  }
}

// dk, dv and the gradient of a bias that all queries share are sums over queries and the heads of a group. Gradients are linear
// in d_o, so the oracle multiplies the d_o of each distinct query by its number of occurrences.
TEST_P(LongSums, BackwardOverManyQueries) {
  const std::int64_t queries = test::sum_length(std::int64_t{1} << 19, std::int64_t{1} << 15);
  const auto device = device_with(2);
  const DType dtype = GetParam();
  ProblemShape p = shape_of(1, 0, 9, 4, 1, 16);
  unsigned seed = 70;
  for (const auto& shares : {kEqual, kRuns}) {
    const auto distinct = static_cast<std::int64_t>(shares.size());
    const std::vector<std::int64_t> rows = runs_of(queries, shares);
    const std::vector<double> counts = counts_of(rows, distinct);
    p.queries = distinct;
    Case few(p, dtype, ++seed);
    few.bias.emplace(std::vector<std::int64_t>{1, 1, 1, 9}, dtype);
    for (std::int64_t i = 0; i < 9; ++i) few.bias->set(i, 0.25 * static_cast<double>(i % 4));
    p.queries = 0;
    Case many(p, dtype, seed);
    many.shape.queries = queries;
    many.k = few.k;
    many.v = few.v;
    many.bias = few.bias;
    many.q = repeated(few.q, rows);
    many.d_o = repeated(few.d_o, rows);
    Array counted({1, distinct, 4, 16}, DType::kFloat64);
    for (std::int64_t i = 0; i < counted.count(); ++i) {
      counted.set(i, few.d_o.get(i) * counts[static_cast<std::size_t>(i / 64)]);
    }
    few.d_o = counted;
    Forward expected = oracle_forward(few);
    const Backward gradients = oracle_backward(few, expected);
    Forward f = device_forward(*device, many);
    const Backward b = device_backward(*device, many, f);
    const Bounds bounds = bounds_of(dtype);
    SCOPED_TRACE("seed=" + std::to_string(seed));
    // dv would overflow float16.
    if (dtype != DType::kFloat16) {
      EXPECT_LE(error_of(b.dv, gradients.dv), bounds.gradients);
      EXPECT_LE(error_of(b.dk, gradients.dk), bounds.gradients);
    }
    EXPECT_LE(error_of(*b.d_bias, *gradients.d_bias), bounds.gradients);
  }
}

// One shard after the other, each merged into the result by forward, or computed separately and merged by merge.
TEST_P(LongSums, HundredsOfShards) {
  constexpr std::int64_t kShards = 600;
  constexpr std::int64_t kKeys = 40;
  const auto device = device_with(2);
  const DType dtype = GetParam();
  const DType sums = accumulator_of(dtype);
  for (const auto& shares : {kEqual, kRuns}) {
    ManyKeys c(shape_of(1, 12, 0, 2, 1, 16), dtype, runs_of(kShards * kKeys, shares),
               static_cast<std::int64_t>(shares.size()), 3, 80);
    const Forward expected = oracle_forward(c.few);
    Forward into = empty_forward(c.many.shape, sums, sums);
    into.lse.fill(-kInfinity);
    Forward merged = empty_forward(c.many.shape, sums, sums);
    merged.lse.fill(-kInfinity);
    ProblemShape p = c.many.shape;
    p.keys = kKeys;
    const DeviceMemory scratch(*device, device->forward_scratch(p, dtype));
    const std::span<std::byte> room(scratch.data(), scratch.bytes());
    for (std::int64_t shard = 0; shard < kShards; ++shard) {
      const Bshd k = c.many.k.bshd().row_range(shard * kKeys, (shard + 1) * kKeys);
      const Bshd v = c.many.v.bshd().row_range(shard * kKeys, (shard + 1) * kKeys);
      device->forward({p, c.many.q.bshd(), k, v, {}, {}, {into.o.bshd(), into.lse.bhs()}, true}, room);
      Forward part = empty_forward(p, sums, sums);
      device->forward({p, c.many.q.bshd(), k, v, {}, {}, {part.o.bshd(), part.lse.bhs()}, false}, room);
      device->merge({part.o.bshd(), part.lse.bhs()}, {merged.o.bshd(), merged.lse.bhs()});
    }
    const Bounds bounds = bounds_of(dtype);
    for (const Forward* f : {&into, &merged}) {
      EXPECT_LE(error_of(f->o, expected.o), bounds.o);
      EXPECT_LE(error_of(f->lse, expected.lse), bounds.lse);
    }
  }
}

// Weighted values are summed before they are divided by the sum of weights. Near the largest number, a naive sum overflows.
TEST(LongSums, ValuesNearTheLargestNumber) {
  const auto device = device_with(2);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const std::int64_t queries : {1, 3, 30, 200}) {
      for (const std::int64_t keys : {2, 63, 700, 5000}) {
        SCOPED_TRACE(std::string(name_of(dtype)) + " " + std::to_string(queries) + "x" +
                     std::to_string(keys));
        Case c(shape_of(1, queries, keys, 2, 1, 16), dtype, 95);
        for (std::int64_t i = 0; i < c.v.count(); ++i) c.v.set(i, i % 16 < 8 ? 3.3e38 : -3.3e38);
        const Forward expected = oracle_forward(c);
        Forward f = device_forward(*device, c);
        EXPECT_LE(error_of(f.o, expected.o), bounds_of(dtype).o);
        // A result merged with itself has twice the weight and the same o.
        const Forward before = f;
        device->merge({f.o.bshd(), f.lse.bhs()}, {f.o.bshd(), f.lse.bhs()});
        EXPECT_LE(error_of(f.o, before.o), bounds_of(dtype).o);
      }
    }
  }
}

}  // namespace
}  // namespace lvx::testing
