// SPDX-License-Identifier: Apache-2.0
// Compares forward and backward on the CPU device with the oracle.
#include <gtest/gtest.h>

#include "device/attention_contract.h"
#include "support/seed.h"

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
        Case c(shape_of(2, queries, keys, 2 * group, 2, dim), GetParam(), ++seed, {seed % 4, 8 * (seed % 3)});
        expect_matches(*device, c, bounds_of(GetParam()),
                       "D=" + std::to_string(dim) + " group=" + std::to_string(group) + " " +
                           std::to_string(queries) + "x" + std::to_string(keys));
      }
    }
  }
}

// Unaligned rows: strides are odd numbers of elements.
TEST_P(EveryDType, OddStrides) {
  const auto device = device_with(2);
  for (const std::int64_t queries : {3, 20, 70}) {
    for (const std::int64_t gap : {1, 3}) {
      Case c(shape_of(2, queries, 131, 3, 1, 40), GetParam(), 7, {1, gap});
      expect_matches(*device, c, bounds_of(GetParam()),
                     "queries=" + std::to_string(queries) + " gap=" + std::to_string(gap));
    }
  }
}

TEST_P(EveryDType, VisibilityRanges) {
  const auto device = device_with(2);
  for (unsigned seed = 1; seed <= 6; ++seed) {
    expect_visibility_ranges(*device, GetParam(), shape_of(2, 37, 500, 6, 2, 24), seed);
  }
}

TEST_P(EveryDType, BiasBroadcastEveryWay) {
  expect_bias_broadcast_every_way(*device_with(2), GetParam(), shape_of(2, 33, 150, 6, 2, 64));
}

TEST_P(EveryDType, NothingToSee) { expect_nothing_where_there_is_nothing(*device_with(2), GetParam()); }

TEST_P(EveryDType, GarbageOutsideTheVisibilityDoesNotLeak) {
  for (const std::int64_t queries : {40, 17}) expect_no_leaks(*device_with(2), GetParam(), queries);
}

// Odd numbers of rows in a panel, with finite queries.
TEST_P(EveryDType, GarbageInKeysAloneDoesNotLeak) {
  const auto device = device_with(2);
  for (const std::int64_t queries : {3, 19, 97}) {
    for (const bool by_bias : {false, true}) {
      for (const double garbage : {std::nan(""), kInfinity, -kInfinity}) {
        Case clean(shape_of(1, queries, 67, 1, 1, 64), GetParam(), 52);
        if (by_bias) {
          clean.bias.emplace(std::vector<std::int64_t>{1, 1, 1, 67}, GetParam());
          for (std::int64_t key = 0; key < 67; ++key) clean.bias->set(key, key < 60 ? 0.0 : -kInfinity);
        } else {
          clean.visibility = Ranges{1, {}};
          for (std::int64_t row = 0; row < queries; ++row) {
            clean.visibility->bounds.insert(clean.visibility->bounds.end(), {0, 60});
          }
        }
        Case dirty = clean;
        for (std::int64_t i = 60 * 64; i < 67 * 64; ++i) {
          dirty.k.set(i, garbage);
          dirty.v.set(i, garbage);
        }
        const std::string what =
            std::to_string(queries) + (by_bias ? " by bias " : " ") + std::to_string(garbage);
        Forward f = device_forward(*device, clean);
        Forward g = device_forward(*device, dirty);
        const Backward b = device_backward(*device, clean, f);
        const Backward h = device_backward(*device, dirty, g);
        const Bounds bounds = bounds_of(GetParam());
        EXPECT_LE(error_of(g.o, f.o), bounds.o) << what;
        EXPECT_LE(error_of(g.lse, f.lse), bounds.lse) << what;
        EXPECT_LE(error_of(h.dq, b.dq), bounds.gradients) << what;
        EXPECT_LE(error_of(h.dk, b.dk), bounds.gradients) << what;
        EXPECT_LE(error_of(h.dv, b.dv), bounds.gradients) << what;
      }
    }
  }
}

TEST_P(EveryDType, InfinityStaysWithTheRowsThatSeeIt) {
  expect_infinity_to_stay(*device_with(1), GetParam());
}

TEST_P(EveryDType, WeightsSumToOne) { expect_weights_to_sum_to_one(*device_with(2), GetParam()); }

TEST_P(EveryDType, NanStaysWhereItIsSeen) { expect_nan_to_stay(*device_with(1), GetParam()); }

// If the gradients of keys exceed a core's cache and there are few rows, they are written with non-temporal stores.
TEST_P(EveryDType, FewRowsAndManyKeys) {
  const auto device = device_with(2);
  for (const std::int64_t queries : {5, 17}) {
    for (const std::int64_t offset : {0, 1}) {
      Case c(shape_of(1, queries, 5000, 2, 2, 64), GetParam(), 38, {offset, 0});
      expect_matches(*device, c, bounds_of(GetParam()),
                     "queries=" + std::to_string(queries) + " offset=" + std::to_string(offset));
    }
  }
}

// Few rows and many keys use a different forward kernel.
TEST_P(EveryDType, Decode) {
  const auto device = device_with(2);
  unsigned seed = 40;
  for (const std::int64_t dim : {8, 24, 128, 200}) {
    for (const auto& [queries, group] : {std::pair{1, 1}, {1, 5}, {2, 4}, {3, 2}}) {
      for (const int masks : {0, 1, 2, 3}) {
        Case c(shape_of(2, queries, 613, 2 * group, 2, dim), GetParam(), ++seed, {seed % 3, 8 * (seed % 2)});
        c.shape.first_key = 50;
        if (masks & 1) c.visibility = random_ranges(c.shape, 3, seed);
        if (masks & 2) {
          c.bias.emplace(std::vector<std::int64_t>{1, 2 * group, queries, 613}, GetParam());
          std::mt19937 random(test::seeded(seed));
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
  Case clean(shape_of(1, 2, 900, 4, 2, 24), GetParam(), 51);
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

TEST_P(EveryDType, HugeLogits) { expect_huge_logits_to_be_safe(*device_with(2), GetParam()); }

// With logits so large that float32 is too coarse for lse (and thus for gradients), o is still correct, even if keys are split.
TEST(Attention, LogitsFarApartAreSafe) {
  const auto device = device_with(2);
  Case c(shape_of(1, 3, 300, 1, 1, 8), DType::kFloat32, 13);
  c.q.fill(1e4);
  for (std::int64_t i = 0; i < c.k.count(); ++i) c.k.set(i, static_cast<double>(i / 8 % 5 - 2) * 1e3);
  const Forward expected = oracle_forward(c);
  const Forward f = device_forward(*device, c);
  EXPECT_LE(error_of(f.o, expected.o), 5e-6);
  EXPECT_LE(error_of(f.lse, expected.lse), 5e-6);
}

TEST_P(EveryDType, PartsMergeToTheWhole) {
  for (const std::int64_t queries : {20, 60}) expect_parts_to_merge(*device_with(2), GetParam(), queries);
}

TEST_P(EveryDType, SameBitsOnEveryRun) {
  Case c(shape_of(1, 60, 3000, 2, 1, 64), GetParam(), 31);
  c.bias.emplace(std::vector<std::int64_t>{1, 1, 1, 3000}, GetParam());
  std::mt19937 random(test::seeded(32));
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
