// SPDX-License-Identifier: Apache-2.0
// Sums over very many keys or rows, where float32 alone would round or truncate at every step; and single keys, whose softmax
// gradient is 0.
#include <gtest/gtest.h>

#include "cuda/simulated_device.h"
#include "device/attention_contract.h"

namespace lvx::testing {
namespace {

class LongSums : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Simulated, LongSums,
                         ::testing::Values(DType::kFloat64, DType::kFloat32, DType::kBFloat16,
                                           DType::kFloat16),
                         [](const auto& parameter) { return name_of(parameter.param); });

// Rows from `kinds` on repeat those before, so that all rounding errors of a sum have the same sign.
void repeat(Array& x, std::int64_t kinds) {
  const std::int64_t width = x.count() / (x.extent(0) * x.extent(1));
  for (std::int64_t i = kinds * width; i < x.count(); ++i) x.set(i, x.get(i % (kinds * width)));
}

Case repeated(const ProblemShape& p, DType dtype, unsigned seed) {
  Case c(p, dtype, seed);
  for (Array* x : {&c.k, &c.v}) repeat(*x, 2);
  for (Array* x : {&c.q, &c.d_o}) repeat(*x, std::min<std::int64_t>(2, p.queries));
  return c;
}

// The scalar kernels' bounds hold for any number of keys and rows.
TEST_P(LongSums, OfTheSameKeyAndOfTheSameRow) {
  if (size_of(GetParam()) == 2) GTEST_SKIP() << "halves have tests of their own";
  SimulatedDevice device;
  for (const auto& [queries, keys] : {std::pair{1, 1 << 15}, {1 << 15, 2}}) {
    Case c = repeated(shape_of(1, queries, keys, 1, 1, 8), GetParam(), 71);
    expect_matches(device, c, bounds_of(GetParam()), std::to_string(queries) + "x" + std::to_string(keys));
  }
}

// Weights of 1, which half precision represents exactly, and equal values: o differs from the values only by summation error.
TEST_P(LongSums, OfHalvesAreCut) {
  if (size_of(GetParam()) > 2) GTEST_SKIP() << "scalar kernels do not cut";
  for (const std::int64_t queries : {1, 40}) {
    SimulatedDevice device({.blocks = 1, .longest_sum_of_keys = 256});
    Case c(shape_of(1, queries, queries == 1 ? 1 << 15 : 1 << 13, 1, 1, 8), GetParam(), 72);
    for (Array* x : {&c.k, &c.v}) repeat(*x, 1);
    Forward f = empty_forward(c.shape, DType::kFloat32, DType::kFloat32);
    const DeviceMemory scratch(device, device.forward_scratch(c.shape, c.dtype));
    device.forward({c.shape, c.q.bshd(), c.k.bshd(), c.v.bshd(), {}, {}, {f.o.bshd(), f.lse.bhs()}, false},
                   {scratch.data(), scratch.bytes()});
    const Forward expected = oracle_forward(c);
    EXPECT_LE(error_of(f.o, expected.o), 5e-6) << queries;
    EXPECT_LE(error_of(f.lse, expected.lse), 1e-6) << queries;
  }
}

// Every piece of every sum is added, for any split and any visibility.
TEST_P(LongSums, CutAnywhereAreTheSame) {
  if (size_of(GetParam()) > 2) GTEST_SKIP() << "scalar kernels do not cut";
  unsigned seed = 80;
  for (const auto& [queries, keys] : {std::pair{3, 700}, {40, 700}, {150, 300}}) {
    for (const bool masked : {false, true}) {
      for (const std::int64_t blocks : {1, 6}) {
        SimulatedDevice device({.blocks = blocks, .longest_sum_of_keys = 128, .longest_sum_of_rows = 64});
        Case c(shape_of(1, queries, keys, 4, 2, 24), GetParam(), ++seed);
        if (masked) c.visibility = random_ranges(c.shape, 2, seed);
        expect_matches(
            device, c, bounds_of(GetParam()),
            std::to_string(queries) + "x" + std::to_string(keys) + " blocks " + std::to_string(blocks));
      }
    }
  }
}

TEST_P(LongSums, OfManyRowsAddToWhatIsThere) {
  SimulatedDevice device({.blocks = 1, .longest_sum_of_keys = 128, .longest_sum_of_rows = 64});
  expect_parts_to_merge(device, GetParam(), 100);
}

// dP and delta are then the same number, summed in two orders.
TEST_P(LongSums, OfOneKeyCancel) {
  SimulatedDevice device;
  for (const std::int64_t queries : {1, 63}) {
    Case c(shape_of(1, queries, 1, 4, 2, 64), GetParam(), 90);
    Forward f = device_forward(device, c);
    Backward b = device_backward(device, c, f);
    for (std::int64_t i = 0; i < b.dk.count(); ++i) ASSERT_EQ(b.dk.get(i), 0) << queries << " " << i;
    for (std::int64_t i = 0; i < b.dq.count(); ++i) ASSERT_EQ(b.dq.get(i), 0) << queries << " " << i;
  }
}

}  // namespace
}  // namespace lvx::testing
