// SPDX-License-Identifier: Apache-2.0
// Tests the kernels of every instruction set that this machine supports, one after the other.
#define HWY_DISABLED_TARGETS HWY_SSSE3  // as the kernels
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include "device/attention_contract.h"
#include "support/seed.h"

namespace lvx::testing {
namespace {

class EveryTarget : public ::testing::Test {
 protected:
  ~EveryTarget() override { hwy::SetSupportedTargetsForTest(0); }

  // Calls check(device) with each instruction set. Fails if there is only one, because the scalar one always exists.
  template <typename Check>
  void for_each_target(const Check& check) {
    const std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
#ifndef HWY_COMPILE_ONLY_STATIC  // as sanitizers have it
    EXPECT_GE(targets.size(), 2u);
#endif
    for (const std::int64_t target : targets) {
      hwy::SetSupportedTargetsForTest(target);
      const auto device = device_with(2);
      SCOPED_TRACE(device->name() + ", Highway's " + hwy::TargetName(target));
      check(*device);
      hwy::SetSupportedTargetsForTest(0);
    }
  }
};

TEST_F(EveryTarget, MatchesTheOracle) {
  for_each_target([](Device& device) {
    unsigned seed = 0;
    for (const DType dtype : {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
      for (const std::int64_t dim : {8, 40, 128}) {
        for (const auto& [queries, keys] : {std::pair{1, 530}, {19, 67}, {50, 130}}) {
          Case c(shape_of(1, queries, keys, 4, 2, dim), dtype, ++seed, {seed % 4, 8 * (seed % 2)});
          if (seed % 2 == 0) c.visibility = random_ranges(c.shape, 2, seed);
          if (seed % 3 == 0) {
            c.bias.emplace(std::vector<std::int64_t>{1, 4, 1, keys}, dtype);
            std::mt19937 random(test::seeded(seed));
            Case::randomize(*c.bias, random);
            c.bias->set(0, -kInfinity);
          }
          expect_matches(
              device, c, bounds_of(dtype),
              "D=" + std::to_string(dim) + " " + std::to_string(queries) + "x" + std::to_string(keys));
        }
      }
    }
  });
}

// Some sets multiply bfloat16 in pairs, the others convert it to float. The guarantees of attention hold for both.
TEST_F(EveryTarget, KeepsTheContractInBFloat16) {
  for_each_target([](Device& device) {
    constexpr DType kDType = DType::kBFloat16;
    expect_nothing_where_there_is_nothing(device, kDType);
    expect_no_leaks(device, kDType);
    expect_infinity_to_stay(device, kDType);
    expect_nan_to_stay(device, kDType);
    expect_weights_to_sum_to_one(device, kDType);
    expect_parts_to_merge(device, kDType);
    expect_huge_logits_to_be_safe(device, kDType);
    expect_bias_broadcast_every_way(device, kDType, shape_of(2, 33, 150, 6, 2, 24));
    for (unsigned seed = 1; seed <= 3; ++seed) {
      expect_visibility_ranges(device, kDType, shape_of(2, 37, 300, 6, 2, 24), seed);
    }
  });
}

// Ranges for each query, or a bias that hides some keys, or both.
void mask(Case& c, int masks, unsigned seed) {
  const ProblemShape& p = c.shape;
  if (masks & 1) c.visibility = random_ranges(p, 2, seed);
  if (masks & 2) {
    c.bias.emplace(std::vector<std::int64_t>{1, p.query_heads, p.queries, p.keys}, c.dtype);
    std::mt19937 random(test::seeded(seed));
    Case::randomize(*c.bias, random);
    for (std::int64_t i = 0; i < c.bias->count(); i += 7) c.bias->set(i, -kInfinity);
  }
}

// Every number of rows that decode supports, in blocks of up to four, and incomplete tiles and groups of keys.
TEST_F(EveryTarget, DecodesAnyFewRows) {
  for_each_target([](Device& device) {
    unsigned seed = 100;
    for (const DType dtype : {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
      for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8}) {
        const std::int64_t group = rows % 2 == 0 ? 2 : 1;
        const std::int64_t heads = 1 + rows % 3;
        const std::int64_t keys = 512 + 5 * rows;
        const int masks = static_cast<int>(seed % 4);
        Case c(shape_of(1, rows / group, keys, heads * group, heads, rows < 5 ? 40 : 128), dtype, ++seed,
               {seed % 2, 0});
        mask(c, masks, seed);
        expect_matches(device, c, bounds_of(dtype),
                       "rows=" + std::to_string(rows) + " heads=" + std::to_string(heads) +
                           " masks=" + std::to_string(masks));
      }
    }
  });
}

// Rows that do not fill the last vector, with every possible remainder of keys and of rows.
TEST_F(EveryTarget, TakesAnyNumberOfRowsAndKeys) {
  for_each_target([](Device& device) {
    unsigned seed = 200;
    for (const DType dtype : {DType::kFloat64, DType::kFloat32}) {
      for (const std::int64_t rows : {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                      16, 17, 18, 19, 20, 22, 24, 25, 31, 33, 36, 47, 49, 65, 97}) {
        for (const std::int64_t dim : {16, 96, 128}) {
          const std::int64_t keys = 64 * (seed % 2) + 1 + seed % 17;
          const int masks = static_cast<int>(seed % 5);
          Case c(shape_of(1, rows, keys, 2, 2, dim), dtype, ++seed);
          mask(c, masks, seed);
          expect_matches(device, c, bounds_of(dtype),
                         "rows=" + std::to_string(rows) + " keys=" + std::to_string(keys) +
                             " D=" + std::to_string(dim) + " masks=" + std::to_string(masks));
        }
      }
    }
  });
}

// Infinities and subnormals of half precision are converted lane by lane.
TEST_F(EveryTarget, ConvertsTheEdgesOfHalfPrecision) {
  for_each_target([](Device& device) {
    for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
      for (const std::int64_t keys : {2, 600}) {
        Case c(shape_of(1, 1, keys, 1, 1, 16), dtype, 5);
        c.visibility = Ranges{1, {0, 1}};
        const double edges[] = {0x1p-24, -0x1p-24, 0x1.ff8p-15, 65504, -65504, 0, -0.0, 0x1p-14};
        for (std::int64_t i = 0; i < 8; ++i) c.v.set(i, edges[i]);
        c.v.set(8, kInfinity);
        c.v.set(9, -kInfinity);
        const Forward f = device_forward(device, c);  // with one key, o is its value
        for (std::int64_t i = 0; i < 16; ++i) EXPECT_EQ(f.o.get(i), c.v.get(i)) << i;
      }
    }
  });
}

}  // namespace
}  // namespace lvx::testing
