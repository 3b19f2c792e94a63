// SPDX-License-Identifier: Apache-2.0
#include "device/huge_bias_contract.h"

namespace lvx::testing {
namespace {

class HugeBias : public ::testing::TestWithParam<DType> {};

// Enough queries for blocks, and few enough for decode.
TEST_P(HugeBias, IsExact) {
  const auto device = device_with(2);
  for (unsigned seed = 1; seed <= 6; ++seed) {
    expect_exact_with_huge_biases(*device, GetParam(), shape_of(2, 45, 150, 4, 2, 40), seed);
    expect_exact_with_huge_biases(*device, GetParam(), shape_of(1, 130, 70, 2, 2, 24), seed);
    expect_exact_with_huge_biases(*device, GetParam(), shape_of(2, 2, 700, 4, 2, 64), seed);
  }
}

TEST_P(HugeBias, ThatAllKeysShareChangesLseAlone) {
  const auto device = device_with(2);
  for (const std::int64_t queries : {2, 50}) {
    expect_a_shared_bias_to_change_lse_alone(*device, GetParam(), queries);
  }
}

TEST_P(HugeBias, PartsMerge) {
  const auto device = device_with(2);
  for (unsigned seed = 1; seed <= 5; ++seed) {
    for (const std::int64_t queries : {3, 20}) {
      expect_parts_with_huge_biases_to_merge(*device, GetParam(), queries, seed);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, HugeBias,
                         ::testing::Values(DType::kFloat64, DType::kFloat32, DType::kBFloat16,
                                           DType::kFloat16),
                         [](const auto& dtype) { return name_of(dtype.param); });

}  // namespace
}  // namespace lvx::testing
