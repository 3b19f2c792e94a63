// SPDX-License-Identifier: Apache-2.0
// The softmax of a query that sees a single key is 1 for any logit. So results do not depend on q, k or the bias, and the
// gradients of these are 0. They are exactly 0, unless forward and backward sum a float32 or float64 logit in different orders,
// as with few queries and many keys: then they are 0 up to the rounding of these sums.
#define HWY_DISABLED_TARGETS HWY_SSSE3  // as the kernels
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include "device/attention_contract.h"
#include "support/seed.h"

namespace lvx::testing {
namespace {

enum class Order { kTheSame, kAny };  // whether forward and backward sum a logit in the same order

void expect_zeros(const Array& x, DType dtype, Order order, const std::string& what) {
  double largest = 0;
  for (std::int64_t i = 0; i < x.count(); ++i) largest = std::max(largest, std::abs(x.get(i)));
  const bool rounded = order == Order::kAny && size_of(dtype) > 2;
  EXPECT_LE(largest, rounded ? bounds_of(dtype).gradients : 0) << what;
}

// Expects that o is the key's value, that dv is the sum of d_o over the queries that see the key, and that other gradients are 0.
void expect_no_gradients(Device& device, Case& c, Order order, const std::string& what) {
  SCOPED_TRACE(what + " " + name_of(c.dtype));
  Forward expected = oracle_forward(c);
  Forward f = device_forward(device, c);
  EXPECT_EQ(error_of(f.o, expected.o), 0);
  EXPECT_LE(error_of(f.lse, expected.lse), bounds_of(c.dtype).lse);
  const Backward gradients = oracle_backward(c, expected);
  const Backward b = device_backward(device, c, f);
  expect_zeros(b.dq, c.dtype, order, "dq");
  expect_zeros(b.dk, c.dtype, order, "dk");
  EXPECT_LE(error_of(b.dv, gradients.dv), bounds_of(c.dtype).gradients);
  if (b.d_bias) expect_zeros(*b.d_bias, c.dtype, order, "d_bias");
}

constexpr DType kDTypes[] = {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16};

class OneKey : public ::testing::Test {
 protected:
  ~OneKey() override { hwy::SetSupportedTargetsForTest(0); }

  template <typename Check>
  void for_each_target(const Check& check) {
    for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
      hwy::SetSupportedTargetsForTest(target);
      SCOPED_TRACE(hwy::TargetName(target));
      check(*device_with(2));
      hwy::SetSupportedTargetsForTest(0);
    }
  }
};

TEST_F(OneKey, IsAllThereIs) {
  for_each_target([](Device& device) {
    unsigned seed = 0;
    for (const DType dtype : kDTypes) {
      for (const std::int64_t dim : {8, 40, 128}) {
        for (const std::int64_t queries : {1, 17, 63, 200}) {
          for (const std::int64_t group : {1, 3}) {
            Case c(shape_of(1, queries, 1, 2 * group, 2, dim), dtype, ++seed);
            if (seed % 3 == 0) {
              c.bias.emplace(std::vector<std::int64_t>{1, 1, queries, 1}, accumulator_of(dtype));
              std::mt19937 random(test::seeded(seed));
              Case::randomize(*c.bias, random);
            }
            expect_no_gradients(device, c, Order::kTheSame,
                                "D=" + std::to_string(dim) + " queries=" + std::to_string(queries) +
                                    " seed=" + std::to_string(seed));
          }
        }
      }
    }
  });
}

// Other keys are hidden by the range or by the bias. Also with few queries and many keys.
TEST_F(OneKey, IsAllThatIsSeenOfMany) {
  for_each_target([](Device& device) {
    unsigned seed = 300;
    for (const DType dtype : kDTypes) {
      for (const auto& [queries, keys] : {std::pair{1, 700}, {3, 5000}, {63, 130}, {120, 70}}) {
        for (const bool by_bias : {false, true}) {
          Case c(shape_of(1, queries, keys, 4, 2, 64), dtype, ++seed);
          std::mt19937 random(test::seeded(seed));
          Ranges ranges{1, {}};
          Array bias({1, 1, queries, keys}, dtype);
          bias.fill(-kInfinity);
          for (std::int32_t row = 0; row < queries; ++row) {
            const auto key = static_cast<std::int32_t>(random() % static_cast<unsigned>(keys));
            ranges.bounds.insert(ranges.bounds.end(), {key, key + (row % 7 == 3 ? 0 : 1)});
            if (row % 7 != 3) bias.set(row * keys + key, 0.5);
          }
          if (by_bias) {
            c.bias = bias;
          } else {
            c.visibility = ranges;
          }
          expect_no_gradients(device, c, Order::kAny,
                              std::to_string(queries) + "x" + std::to_string(keys) +
                                  (by_bias ? " by bias" : " by range") + " seed=" + std::to_string(seed));
        }
      }
    }
  });
}

// Such rows are exact even if other rows see more keys.
TEST_F(OneKey, IsSeenByOneOfManyRows) {
  for_each_target([](Device& device) {
    for (const DType dtype : kDTypes) {
      Case c(shape_of(1, 40, 100, 2, 2, 64), dtype, 500);
      Ranges ranges{1, {}};
      for (std::int32_t row = 0; row < 40; ++row)
        ranges.bounds.insert(ranges.bounds.end(), {2 * row, row % 3 == 0 ? 2 * row + 1 : 99});
      c.visibility = ranges;
      expect_matches(device, c, bounds_of(dtype), "some rows");
      Forward f = device_forward(device, c);
      const Backward b = device_backward(device, c, f);
      for (std::int64_t i = 0; i < b.dq.count(); ++i) {
        if (i / 128 % 3 == 0) {
          ASSERT_EQ(b.dq.get(i), 0) << name_of(dtype) << " " << i;
        }
      }
    }
  });
}

// A NaN that such a row sees propagates: the gradient is not 0.
TEST_F(OneKey, StaysNan) {
  for_each_target([](Device& device) {
    for (const DType dtype : kDTypes) {
      Case c(shape_of(1, 20, 1, 1, 1, 16), dtype, 501);
      c.d_o.set(3 * 16 + 2, std::nan(""));
      Forward f = device_forward(device, c);
      const Backward b = device_backward(device, c, f);
      for (std::int64_t i = 0; i < b.dq.count(); ++i) EXPECT_EQ(std::isnan(b.dq.get(i)), i / 16 == 3) << i;
    }
  });
}

}  // namespace
}  // namespace lvx::testing
