// SPDX-License-Identifier: Apache-2.0
// The GPU kernels, run lane by lane on the host, against the oracle.
#include <gtest/gtest.h>

#include "cuda/simulated_device.h"
#include "device/attention_case.h"
#include "device/problems.h"

namespace lvx::testing {
namespace {

class CudaKernels : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Simulated, CudaKernels,
                         ::testing::Values(DType::kFloat64, DType::kFloat32, DType::kBFloat16,
                                           DType::kFloat16),
                         [](const auto& parameter) { return name_of(parameter.param); });

TEST_P(CudaKernels, HeadDims) {
  SimulatedDevice device(1);
  unsigned seed = 0;
  for (const std::int64_t dim : {8, 24, 64, 72, 80, 96, 128, 200, 256}) {
    for (const auto& [queries, keys] : {std::pair{5, 67}, {50, 150}}) {
      if (queries == 50 && size_of(GetParam()) > 2) continue;  // scalar kernels know no tiles
      Case c(problem_of(1, queries, keys, 2, 1, dim), GetParam(), ++seed);
      expect_matches(device, c, bounds_of(GetParam()),
                     "D=" + std::to_string(dim) + " " + std::to_string(queries) + "x" + std::to_string(keys));
    }
  }
}

TEST_P(CudaKernels, GroupsAndOddSizesAnyStride) {
  SimulatedDevice device(1);
  unsigned seed = 100;
  for (const std::int64_t group : {1, 3, 4}) {
    for (const auto& [queries, keys] : {std::pair{1, 1}, {1, 200}, {7, 63}, {17, 64}, {35, 129}}) {
      Case c(problem_of(2, queries, keys, 2 * group, 2, 40), GetParam(), ++seed, {seed % 4, 8 * (seed % 3)});
      expect_matches(
          device, c, bounds_of(GetParam()),
          "group=" + std::to_string(group) + " " + std::to_string(queries) + "x" + std::to_string(keys));
    }
  }
}

// More multiprocessors than tiles: keys are split, and the parts are combined.
TEST_P(CudaKernels, Splits) {
  SimulatedDevice device(16);
  unsigned seed = 200;
  for (const auto& [queries, keys] : {std::pair{1, 1300}, {20, 600}, {40, 400}}) {
    for (const bool masked : {false, true}) {
      Case c(problem_of(1, queries, keys, 4, 2, 64), GetParam(), ++seed);
      if (masked) c.visibility = random_ranges(c.problem, 2, seed);
      expect_matches(device, c, bounds_of(GetParam()), std::to_string(queries) + "x" + std::to_string(keys));
    }
  }
}

TEST_P(CudaKernels, VisibilityRanges) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    SimulatedDevice device(seed % 2 == 0 ? 1 : 8);
    const std::int64_t ranges = std::int64_t{1} << seed;
    Case c(problem_of(1, 37, 300, 6, 2, 24), GetParam(), seed);
    c.problem.first_key = seed % 2 == 0 ? 1000 : 0;
    c.visibility = random_ranges(c.problem, ranges / 2, seed);
    expect_matches(device, c, bounds_of(GetParam()), "ranges=" + std::to_string(ranges / 2));
  }
}

// Frames: neighbouring queries see the same few tiles, and most tiles are seen by none.
TEST_P(CudaKernels, FramesFarApart) {
  SimulatedDevice device(2);
  Case c(problem_of(1, 80, 900, 2, 1, 64), GetParam(), 300);
  c.visibility = Ranges{2, {}};
  for (std::int32_t query = 0; query < 80; ++query) {
    const std::int32_t frame = query / 40;
    for (const std::int32_t first : {100 * frame, 700 + 64 * frame}) {
      c.visibility->bounds.push_back(first);
      c.visibility->bounds.push_back(first + 64);
    }
  }
  expect_matches(device, c, bounds_of(GetParam()), "frames");
}

TEST_P(CudaKernels, BiasBroadcastEveryWay) {
  SimulatedDevice device(1);
  for (unsigned way = 0; way < 8; ++way) {
    Case c(problem_of(2, 19, 70, 4, 2, 64), GetParam(), way + 1);
    c.bias.emplace(std::vector<std::int64_t>{way & 1 ? 2 : 1, way & 2 ? 4 : 1, way & 4 ? 19 : 1, 70},
                   way % 3 == 0 ? accumulator_of(GetParam()) : GetParam());
    std::mt19937 random(way);
    Case::randomize(*c.bias, random);
    for (std::int64_t i = 0; i < c.bias->count(); i += 7) c.bias->set(i, -kInfinity);
    if (way % 2 == 1) c.visibility = random_ranges(c.problem, 2, way);
    expect_matches(device, c, bounds_of(GetParam()), "way " + std::to_string(way));
  }
}

TEST_P(CudaKernels, NothingToSee) {
  SimulatedDevice device(4);
  for (const auto& [batch, queries, keys] : {std::tuple{1, 5, 0}, {1, 0, 5}, {0, 5, 5}, {2, 0, 0}}) {
    Case c(problem_of(batch, queries, keys, 4, 2, 16), GetParam(), 3);
    expect_matches(device, c, bounds_of(GetParam()), std::to_string(queries) + "x" + std::to_string(keys));
  }
  Case hidden(problem_of(1, 5, 70, 4, 2, 16), GetParam(), 4);
  hidden.visibility = Ranges{1, {0, 0, 5, 2, -8, 0, 70, 99, 10, 20}};
  expect_matches(device, hidden, bounds_of(GetParam()), "only the last row sees keys");
  hidden.visibility.reset();
  hidden.bias.emplace(std::vector<std::int64_t>{1, 1, 1, 70}, GetParam());
  hidden.bias->fill(-kInfinity);
  expect_matches(device, hidden, bounds_of(GetParam()), "a bias of -inf hides everything");
}

// Keys that a row does not see hold NaN and infinity, while other rows see them; queries that see nothing hold NaN.
TEST_P(CudaKernels, GarbageOutsideTheVisibilityDoesNotLeak) {
  SimulatedDevice device(2);
  for (const bool by_bias : {false, true}) {
    Case clean(problem_of(1, 40, 200, 4, 2, 24), GetParam(), 8);
    Ranges ranges{1, {}};
    Array bias({1, 1, 40, 200}, GetParam());
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
    Forward f = device_forward(device, clean);
    Backward b = device_backward(device, clean, f);
    Forward g = device_forward(device, dirty);
    Backward h = device_backward(device, dirty, g);
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
TEST_P(CudaKernels, InfinityStaysWithTheRowsThatSeeIt) {
  SimulatedDevice device(1);
  for (const double lost : {kInfinity, -kInfinity}) {
    Case c(problem_of(1, 2, 10, 1, 1, 8), GetParam(), 9);
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

// Gradients of rows that one key dominates are differences of nearly equal numbers, which half precision does not
// hold: there, forward alone.
TEST_P(CudaKernels, HugeLogits) {
  SimulatedDevice device(1);
  for (const double sigma : {6.0, 20.0}) {
    Case c(problem_of(1, 17, 83, 4, 2, 64), GetParam(), 11);
    std::mt19937 random(12);
    for (Array* x : {&c.q, &c.k}) Case::randomize(*x, random, sigma);
    Bounds bounds = bounds_of(GetParam());
    if (GetParam() == DType::kFloat32) bounds = {1e-4, 1e-4, 1e-4};
    if (sigma < 10 || size_of(GetParam()) > 2) {
      expect_matches(device, c, bounds, "sigma " + std::to_string(sigma));
    } else {
      const Forward expected = oracle_forward(c);
      const Forward f = device_forward(device, c);
      EXPECT_LE(error_of(f.o, expected.o), bounds.o);
      EXPECT_LE(error_of(f.lse, expected.lse), bounds.lse);
    }
  }
}

TEST_P(CudaKernels, PartsMergeToTheWhole) {
  SimulatedDevice device(4);
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
  const std::int64_t bounds[] = {0, 0, 7, 130, 300};
  const auto part_of = [&](int i) {
    Problem p = c.problem;
    p.first_key = bounds[i];
    p.keys = bounds[i + 1] - bounds[i];
    return p;
  };
  for (int i = 0; i < 4; ++i) {
    const Problem p = part_of(i);
    const DeviceMemory scratch(device, device.forward_scratch(p, GetParam()));
    const std::span<std::byte> room(scratch.data(), scratch.bytes());
    const Bshd k = c.k.bshd().from_row(bounds[i]);
    const Bshd v = c.v.bshd().from_row(bounds[i]);
    device.forward({p, c.q.bshd(), k, v, c.visible(), {}, {f.o.bshd(), f.lse.bhs()}, true}, room);
    Forward part = empty_forward(p, GetParam(), sums);
    device.forward({p, c.q.bshd(), k, v, c.visible(), {}, {part.o.bshd(), part.lse.bhs()}, false}, room);
    device.merge(p, {part.o.bshd(), part.lse.bhs()}, {merged.o.bshd(), merged.lse.bhs()});
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
  device.delta(c.problem, f.o.bshd(), c.d_o.bshd(), b.delta.bhs());
  for (int i = 0; i < 4; ++i) {
    const Problem p = part_of(i);
    const DeviceMemory scratch(device, device.backward_scratch(p, GetParam()));
    device.backward({p,
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

TEST_P(CudaKernels, SameBitsOnEveryRun) {
  SimulatedDevice device(8);
  Case c(problem_of(1, 40, 600, 2, 1, 64), GetParam(), 31);
  Forward f = device_forward(device, c);
  Backward b = device_backward(device, c, f);
  Forward g = device_forward(device, c);
  Backward h = device_backward(device, c, g);
  EXPECT_EQ(f.o.memory(), g.o.memory());
  EXPECT_EQ(b.dq.memory(), h.dq.memory());
  EXPECT_EQ(b.dk.memory(), h.dk.memory());
  EXPECT_EQ(b.dv.memory(), h.dv.memory());
}

}  // namespace
}  // namespace lvx::testing
