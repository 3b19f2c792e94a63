// SPDX-License-Identifier: Apache-2.0
// Compares the GPU kernels, executed lane by lane on the host, with the oracle.
#include <gtest/gtest.h>

#include "cuda/simulated_device.h"
#include "device/attention_contract.h"

namespace lvx::testing {
namespace {

class CudaKernels : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Simulated, CudaKernels,
                         ::testing::Values(DType::kFloat64, DType::kFloat32, DType::kBFloat16,
                                           DType::kFloat16),
                         [](const auto& parameter) { return name_of(parameter.param); });

TEST_P(CudaKernels, HeadDims) {
  SimulatedDevice device;
  unsigned seed = 0;
  for (const std::int64_t dim : {8, 24, 64, 72, 80, 96, 128, 200, 256}) {
    for (const auto& [queries, keys] : {std::pair{5, 67}, {50, 150}}) {
      if (queries == 50 && size_of(GetParam()) > 2) continue;  // scalar kernels have no tiles
      Case c(shape_of(1, queries, keys, 2, 1, dim), GetParam(), ++seed);
      expect_matches(device, c, bounds_of(GetParam()),
                     "D=" + std::to_string(dim) + " " + std::to_string(queries) + "x" + std::to_string(keys));
    }
  }
}

TEST_P(CudaKernels, GroupsAndOddSizesAnyStride) {
  SimulatedDevice device;
  unsigned seed = 100;
  for (const std::int64_t group : {1, 3, 4}) {
    for (const auto& [queries, keys] : {std::pair{1, 1}, {1, 200}, {7, 63}, {17, 64}, {35, 129}}) {
      Case c(shape_of(2, queries, keys, 2 * group, 2, 40), GetParam(), ++seed, {seed % 4, 8 * (seed % 3)});
      expect_matches(
          device, c, bounds_of(GetParam()),
          "group=" + std::to_string(group) + " " + std::to_string(queries) + "x" + std::to_string(keys));
    }
  }
}

// With fewer row tiles than the target number of blocks, keys are split, and the splits are combined.
TEST_P(CudaKernels, Splits) {
  SimulatedDevice device;
  unsigned seed = 200;
  for (const auto& [queries, keys] : {std::pair{1, 1300}, {20, 600}, {40, 400}}) {
    for (const bool masked : {false, true}) {
      Case c(shape_of(1, queries, keys, 4, 2, 64), GetParam(), ++seed);
      if (masked) c.visibility = random_ranges(c.shape, 2, seed);
      expect_matches(device, c, bounds_of(GetParam()), std::to_string(queries) + "x" + std::to_string(keys));
    }
  }
}

TEST_P(CudaKernels, VisibilityRanges) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    SimulatedDevice device({.blocks = seed % 2 == 0 ? 1 : 16});
    expect_visibility_ranges(device, GetParam(), shape_of(1, 37, 300, 6, 2, 24), seed);
  }
}

// As with video frames: adjacent queries see the same few tiles, and no query sees most tiles.
TEST_P(CudaKernels, FramesFarApart) {
  SimulatedDevice device;
  Case c(shape_of(1, 80, 900, 2, 1, 64), GetParam(), 300);
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
  SimulatedDevice device;
  expect_bias_broadcast_every_way(device, GetParam(), shape_of(2, 19, 70, 4, 2, 64));
}

TEST_P(CudaKernels, NothingToSee) {
  SimulatedDevice device;
  expect_nothing_where_there_is_nothing(device, GetParam());
}

TEST_P(CudaKernels, GarbageOutsideTheVisibilityDoesNotLeak) {
  SimulatedDevice device;
  expect_no_leaks(device, GetParam());
}

TEST_P(CudaKernels, InfinityStaysWithTheRowsThatSeeIt) {
  SimulatedDevice device;
  expect_infinity_to_stay(device, GetParam());
}

TEST_P(CudaKernels, HugeLogits) {
  SimulatedDevice device;
  expect_huge_logits_to_be_safe(device, GetParam());
}

TEST_P(CudaKernels, PartsMergeToTheWhole) {
  SimulatedDevice device;
  expect_parts_to_merge(device, GetParam());
}

TEST_P(CudaKernels, SameBitsOnEveryRun) {
  SimulatedDevice device;
  Case c(shape_of(1, 40, 600, 2, 1, 64), GetParam(), 31);
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
