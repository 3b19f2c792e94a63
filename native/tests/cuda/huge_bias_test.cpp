// SPDX-License-Identifier: Apache-2.0
// Biases of any finite magnitude, with the GPU's kernels.
#include "cuda/simulated_device.h"
#include "device/huge_bias_contract.h"

namespace lvx::testing {
namespace {

class CudaHugeBias : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Simulated, CudaHugeBias,
                         ::testing::Values(DType::kFloat64, DType::kFloat32, DType::kBFloat16,
                                           DType::kFloat16),
                         [](const auto& parameter) { return name_of(parameter.param); });

// Enough queries for tiles, and few enough for decode.
TEST_P(CudaHugeBias, IsExact) {
  SimulatedDevice device;
  for (const unsigned seed : {1, 6}) {
    expect_exact_with_huge_biases(device, GetParam(), shape_of(1, 25, 80, 4, 2, 24), seed);
    expect_exact_with_huge_biases(device, GetParam(), shape_of(2, 2, 300, 4, 2, 40), seed);
  }
}

TEST_P(CudaHugeBias, ThatAllKeysShareChangesLseAlone) {
  SimulatedDevice device;
  expect_a_shared_bias_to_change_lse_alone(device, GetParam(), 9);
}

TEST_P(CudaHugeBias, PartsMerge) {
  SimulatedDevice device({.blocks = 1, .longest_sum_of_keys = 64});
  for (const std::int64_t queries : {3, 18}) {
    expect_parts_with_huge_biases_to_merge(device, GetParam(), queries, 2);
  }
}

}  // namespace
}  // namespace lvx::testing
