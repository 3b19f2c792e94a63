// SPDX-License-Identifier: Apache-2.0
// Forward and backward on the CPU device against the oracle.
#include <gtest/gtest.h>

#include "device/attention_case.h"
#include "device/problems.h"

namespace lvx::testing {
namespace {

class EveryDType : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Attention, EveryDType,
                         ::testing::Values(DType::kFloat64, DType::kFloat32, DType::kBFloat16,
                                           DType::kFloat16),
                         [](const auto& parameter) { return name_of(parameter.param); });

TEST_P(EveryDType, HeadDimsGroupsAndOddSizes) {
  const auto device = device_with(2);
  unsigned seed = 0;
  for (const std::int64_t dim : {8, 24, 64, 80, 128, 256}) {
    for (const std::int64_t group : {1, 3, 4}) {
      for (const auto& [queries, keys] : {std::pair{1, 1}, {1, 700}, {5, 67}, {17, 64}, {50, 129}}) {
        Case c(problem_of(2, queries, keys, 2 * group, 2, dim), GetParam(), ++seed,
               {seed % 4, 8 * (seed % 3)});
        expect_matches(*device, c, bounds_of(GetParam()),
                       "D=" + std::to_string(dim) + " group=" + std::to_string(group) + " " +
                           std::to_string(queries) + "x" + std::to_string(keys));
      }
    }
  }
}

TEST_P(EveryDType, VisibilityRanges) {
  const auto device = device_with(2);
  for (unsigned seed = 1; seed <= 6; ++seed) {
    const std::int64_t ranges = std::int64_t{1} << seed;
    Case c(problem_of(2, 37, 500, 6, 2, 24), GetParam(), seed);
    c.problem.first_key = seed % 2 == 0 ? 1000 : 0;
    c.visibility = random_ranges(c.problem, ranges / 2, seed);
    expect_matches(*device, c, bounds_of(GetParam()), "ranges=" + std::to_string(ranges / 2));
  }
}

TEST_P(EveryDType, BiasBroadcastEveryWay) {
  const auto device = device_with(2);
  for (unsigned way = 0; way < 8; ++way) {
    Case c(problem_of(2, 33, 150, 6, 2, 64), GetParam(), way + 1);
    c.bias.emplace(std::vector<std::int64_t>{way & 1 ? 2 : 1, way & 2 ? 6 : 1, way & 4 ? 33 : 1, 150},
                   way % 3 == 0 ? accumulator_of(GetParam()) : GetParam());
    std::mt19937 random(way);
    Case::randomize(*c.bias, random);
    for (std::int64_t i = 0; i < c.bias->count(); i += 7) c.bias->set(i, -kInfinity);
    if (way % 2 == 1) c.visibility = random_ranges(c.problem, 2, way);
    expect_matches(*device, c, bounds_of(GetParam()), "way " + std::to_string(way));
  }
}

TEST_P(EveryDType, NothingToSee) {
  const auto device = device_with(2);
  for (const auto& [batch, queries, keys] : {std::tuple{1, 5, 0}, {1, 0, 5}, {0, 5, 5}, {2, 0, 0}}) {
    Case c(problem_of(batch, queries, keys, 4, 2, 16), GetParam(), 3);
    expect_matches(*device, c, bounds_of(GetParam()), std::to_string(queries) + "x" + std::to_string(keys));
  }
  Case hidden(problem_of(1, 5, 70, 4, 2, 16), GetParam(), 4);
  hidden.visibility = Ranges{1, {0, 0, 5, 2, -8, 0, 70, 99, 10, 20}};
  expect_matches(*device, hidden, bounds_of(GetParam()), "only the last row sees keys");
  hidden.visibility.reset();
  hidden.bias.emplace(std::vector<std::int64_t>{1, 1, 1, 70}, GetParam());
  hidden.bias->fill(-kInfinity);
  expect_matches(*device, hidden, bounds_of(GetParam()), "a bias of -inf hides everything");
}

// Keys that a row does not see hold NaN and infinity, while other rows see them; queries that see nothing hold NaN.
TEST_P(EveryDType, GarbageOutsideTheVisibilityDoesNotLeak) {
  const auto device = device_with(2);
  for (const bool by_bias : {false, true}) {
    const Problem p = problem_of(1, 40, 200, 4, 2, 24);
    Case clean(p, GetParam(), 8);
    Ranges ranges{1, {}};
    std::vector<std::int64_t> shape{1, 1, 40, 200};
    Array bias(shape, GetParam());
    for (std::int32_t row = 0; row < 40; ++row) {
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
    for (std::int64_t i = 0; i < 4 * 24; ++i) {  // query 7 sees nothing
      dirty.q.set(7 * 4 * 24 + i, std::nan(""));
      dirty.d_o.set(7 * 4 * 24 + i, i % 2 == 0 ? kInfinity : std::nan(""));
    }
    for (std::int64_t key = 157; key < 200; ++key) {  // rows see keys below 157
      for (std::int64_t i = 0; i < 2 * 24; ++i) {
        dirty.k.set(key * 2 * 24 + i, i % 2 == 0 ? std::nan("") : kInfinity);
        dirty.v.set(key * 2 * 24 + i, i % 3 == 0 ? std::nan("") : -kInfinity);
      }
    }
    Forward f = device_forward(*device, clean);
    Backward b = device_backward(*device, clean, f);
    Forward g = device_forward(*device, dirty);
    // d_o of a row that sees nothing makes its own delta NaN, and nothing else.
    Backward h = device_backward(*device, dirty, g);
    const Bounds bounds = bounds_of(GetParam());
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

// A key that some rows see holds infinity in v: those rows are lost, the others are not.
TEST_P(EveryDType, InfinityStaysWithTheRowsThatSeeIt) {
  const auto device = device_with(1);
  Case c(problem_of(1, 2, 10, 1, 1, 8), GetParam(), 9);
  c.visibility = Ranges{1, {0, 5, 0, 10}};
  Forward clean = device_forward(*device, c);
  for (std::int64_t d = 0; d < 8; ++d) c.v.set(7 * 8 + d, kInfinity);
  Forward f = device_forward(*device, c);
  for (std::int64_t d = 0; d < 8; ++d) {
    EXPECT_EQ(f.o.get(d), clean.o.get(d));
    EXPECT_EQ(f.o.get(8 + d), kInfinity);
  }
}

// Few rows and many keys take another way through forward.
// More gradients of keys than a core's cache holds are written past it, where few rows have them at once.
TEST_P(EveryDType, FewRowsAndManyKeys) {
  const auto device = device_with(2);
  for (const std::int64_t queries : {5, 17}) {
    for (const std::int64_t offset : {0, 1}) {
      Case c(problem_of(1, queries, 5000, 2, 2, 64), GetParam(), 38, {offset, 0});
      expect_matches(*device, c, bounds_of(GetParam()),
                     "queries=" + std::to_string(queries) + " offset=" + std::to_string(offset));
    }
  }
}

TEST_P(EveryDType, Decode) {
  const auto device = device_with(2);
  unsigned seed = 40;
  for (const std::int64_t dim : {8, 24, 128, 200}) {
    for (const auto& [queries, group] : {std::pair{1, 1}, {1, 5}, {2, 4}, {3, 2}}) {
      for (const int masks : {0, 1, 2, 3}) {
        Case c(problem_of(2, queries, 613, 2 * group, 2, dim), GetParam(), ++seed,
               {seed % 3, 8 * (seed % 2)});
        c.problem.first_key = 50;
        if (masks & 1) c.visibility = random_ranges(c.problem, 3, seed);
        if (masks & 2) {
          c.bias.emplace(std::vector<std::int64_t>{1, 2 * group, queries, 613}, GetParam());
          std::mt19937 random(seed);
          Case::randomize(*c.bias, random);
          for (std::int64_t i = 0; i < c.bias->count(); i += 5) c.bias->set(i, -kInfinity);
        }
        expect_matches(*device, c, bounds_of(GetParam()),
                       "D=" + std::to_string(dim) + " queries=" + std::to_string(queries) +
                           " group=" + std::to_string(group) + " masks=" + std::to_string(masks));
      }
    }
  }
}

TEST_P(EveryDType, GarbageOutsideTheVisibilityDoesNotLeakInDecode) {
  const auto device = device_with(2);
  Case clean(problem_of(1, 2, 900, 4, 2, 24), GetParam(), 51);
  clean.visibility = Ranges{1, {3, 500, 40, 801}};
  Case dirty = clean;
  for (std::int64_t key = 0; key < 900; ++key) {
    if (key >= 3 && key < 801) continue;
    for (std::int64_t i = 0; i < 2 * 24; ++i) {
      dirty.k.set(key * 2 * 24 + i, i % 2 == 0 ? std::nan("") : kInfinity);
      dirty.v.set(key * 2 * 24 + i, i % 3 == 0 ? std::nan("") : -kInfinity);
    }
  }
  const Forward f = device_forward(*device, clean);
  const Forward g = device_forward(*device, dirty);
  EXPECT_EQ(f.o.memory(), g.o.memory());
  EXPECT_EQ(f.lse.memory(), g.lse.memory());
}

TEST(Attention, HugeLogits) {
  const auto device = device_with(2);
  for (const double sigma : {6.0, 20.0}) {
    Case c(problem_of(2, 17, 83, 4, 2, 64), DType::kFloat32, 11);
    std::mt19937 random(12);
    for (Array* x : {&c.q, &c.k}) Case::randomize(*x, random, sigma);
    expect_matches(*device, c, {1e-4, 1e-4, 1e-4}, "sigma " + std::to_string(sigma));
  }
}

// Beyond what float32 can hold of lse (and thus of gradients), o is still right, also where keys are split.
TEST(Attention, LogitsFarApartAreSafe) {
  const auto device = device_with(2);
  Case c(problem_of(1, 3, 300, 1, 1, 8), DType::kFloat32, 13);
  c.q.fill(1e4);
  for (std::int64_t i = 0; i < c.k.count(); ++i) c.k.set(i, static_cast<double>(i / 8 % 5 - 2) * 1e3);
  const Forward expected = oracle_forward(c);
  const Forward f = device_forward(*device, c);
  EXPECT_LE(error_of(f.o, expected.o), 5e-6);
  EXPECT_LE(error_of(f.lse, expected.lse), 5e-6);
}

TEST_P(EveryDType, PartsMergeToTheWhole) {
  const auto device = device_with(2);
  Case c(problem_of(2, 20, 300, 4, 2, 40), GetParam(), 21);
  c.visibility = random_ranges(c.problem, 2, 22);
  Forward expected = oracle_forward(c);
  Backward expected_gradients = oracle_backward(c, expected);

  const DType sums = accumulator_of(GetParam());
  Forward f = empty_forward(c.problem, sums, sums);
  f.lse.fill(-kInfinity);  // o stays NaN: the identity is known by its lse
  Forward merged = empty_forward(c.problem, GetParam(), sums);
  merged.lse.fill(-kInfinity);
  Backward b = empty_backward(c.problem, sums, c.bias);
  for (Array* x : {&b.dq, &b.dk, &b.dv}) x->fill(0);
  const auto part_of = [&](std::int64_t begin, std::int64_t end) {
    Problem p = c.problem;
    p.first_key = begin;
    p.keys = end - begin;
    return p;
  };
  const std::int64_t bounds[] = {0, 0, 7, 130, 300};
  for (int i = 0; i < 4; ++i) {
    const Problem p = part_of(bounds[i], bounds[i + 1]);
    const DeviceMemory scratch(*device, device->forward_scratch(p, GetParam()));
    const std::span<std::byte> room(scratch.data(), scratch.bytes());
    const Bshd k = c.k.bshd().from_row(bounds[i]);
    const Bshd v = c.v.bshd().from_row(bounds[i]);
    device->forward({p, c.q.bshd(), k, v, c.visible(), {}, {f.o.bshd(), f.lse.bhs()}, true}, room);
    Forward part = empty_forward(p, GetParam(), sums);
    device->forward({p, c.q.bshd(), k, v, c.visible(), {}, {part.o.bshd(), part.lse.bhs()}, false}, room);
    device->merge(p, {part.o.bshd(), part.lse.bhs()}, {merged.o.bshd(), merged.lse.bhs()});
  }
  // Rows that see nothing keep what stood in o beside an lse of -inf.
  for (std::int64_t i = 0; i < f.o.count(); ++i) {
    if (std::isnan(f.o.get(i))) f.o.set(i, 0);
    if (std::isnan(merged.o.get(i))) merged.o.set(i, 0);
  }
  const Bounds limits = bounds_of(GetParam());
  EXPECT_LE(error_of(f.o, expected.o), limits.o);
  EXPECT_LE(error_of(f.lse, expected.lse), limits.lse);
  EXPECT_LE(error_of(merged.o, expected.o), 2 * limits.o);  // each of the four parts was rounded on its way
  device->delta(c.problem, f.o.bshd(), c.d_o.bshd(), b.delta.bhs());
  for (int i = 0; i < 4; ++i) {
    const Problem p = part_of(bounds[i], bounds[i + 1]);
    const DeviceMemory scratch(*device, device->backward_scratch(p, GetParam()));
    device->backward({p,
                      c.q.bshd(),
                      c.k.bshd().from_row(bounds[i]),
                      c.v.bshd().from_row(bounds[i]),
                      c.d_o.bshd(),
                      f.lse.bhs(),
                      b.delta.bhs(),
                      c.visible(),
                      {},
                      b.dq.bshd(),
                      b.dk.bshd().from_row(bounds[i]),
                      b.dv.bshd().from_row(bounds[i]),
                      {},
                      true,
                      true},
                     {scratch.data(), scratch.bytes()});
  }
  EXPECT_LE(error_of(b.dq, expected_gradients.dq), limits.gradients);
  EXPECT_LE(error_of(b.dk, expected_gradients.dk), limits.gradients);
  EXPECT_LE(error_of(b.dv, expected_gradients.dv), limits.gradients);
}

TEST_P(EveryDType, SameBitsOnEveryRun) {
  Case c(problem_of(1, 60, 3000, 2, 1, 64), GetParam(), 31);
  c.bias.emplace(std::vector<std::int64_t>{1, 1, 1, 3000}, GetParam());
  std::mt19937 random(32);
  Case::randomize(*c.bias, random);
  for (const int threads : {1, 2, 3}) {
    const auto device = device_with(threads);
    Forward f = device_forward(*device, c);
    Backward b = device_backward(*device, c, f);
    for (int again = 0; again < 5; ++again) {
      Forward g = device_forward(*device, c);
      Backward h = device_backward(*device, c, g);
      EXPECT_EQ(f.o.memory(), g.o.memory());
      EXPECT_EQ(f.lse.memory(), g.lse.memory());
      EXPECT_EQ(b.dq.memory(), h.dq.memory());
      EXPECT_EQ(b.dk.memory(), h.dk.memory());
      EXPECT_EQ(b.dv.memory(), h.dv.memory());
      EXPECT_EQ(b.d_bias->memory(), h.d_bias->memory());
    }
  }
}

}  // namespace
}  // namespace lvx::testing
