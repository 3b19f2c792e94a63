// SPDX-License-Identifier: Apache-2.0
// Compares the oracle with values computed by hand, and its gradients with finite differences of its forward.
#include "attention/reference.h"

#include <gtest/gtest.h>

#include <cmath>

#include "device/attention_case.h"
#include "support/seed.h"

namespace lvx::testing {
namespace {

TEST(Reference, TwoKeysWorkedOutByHand) {
  Case c({1, 1, 2, 1, 1, 8, 0.5, 0}, DType::kFloat64, 1);
  for (Array* x : {&c.q, &c.k, &c.v}) x->fill(0);
  c.q.set(0, 2);
  c.k.set(0, 1);       // logits 0.5 * 2 * 1 = 1 and 0
  c.v.set(1, 10);      // v[0] = (0, 10, 0, ...)
  c.v.set(8 + 1, 20);  // v[1] = (0, 20, 0, ...)
  const Forward f = oracle_forward(c);
  const double weight = std::exp(1.0) / (std::exp(1.0) + 1);
  EXPECT_DOUBLE_EQ(f.o.get(0), 0);
  EXPECT_DOUBLE_EQ(f.o.get(1), weight * 10 + (1 - weight) * 20);
  EXPECT_DOUBLE_EQ(f.lse.get(0), std::log(std::exp(1.0) + 1));
}

TEST(Reference, OneKeyGivesItsValueAndLogit) {
  Case c({1, 1, 1, 2, 1, 8, 1, 0}, DType::kFloat64, 2);
  const Forward f = oracle_forward(c);
  for (std::int64_t head = 0; head < 2; ++head) {
    double logit = 0;
    for (std::int64_t d = 0; d < 8; ++d) {
      EXPECT_DOUBLE_EQ(f.o.get(head * 8 + d), c.v.get(d));
      logit += c.q.get(head * 8 + d) * c.k.get(d);
    }
    EXPECT_DOUBLE_EQ(f.lse.get(head), logit);
  }
}

TEST(Reference, RowsThatSeeNothingAreZero) {
  Case c({1, 2, 3, 1, 1, 8, 1, 100}, DType::kFloat64, 3);
  c.visibility = Ranges{1, {0, 100, 101, 102}};  // the keys are 100 to 102
  Forward f = oracle_forward(c);
  Backward b = oracle_backward(c, f);
  EXPECT_EQ(f.lse.get(0), -kInfinity);
  for (std::int64_t d = 0; d < 8; ++d) {
    EXPECT_EQ(f.o.get(d), 0);
    EXPECT_EQ(b.dq.get(d), 0);
    EXPECT_DOUBLE_EQ(f.o.get(8 + d), c.v.get(8 + d));  // the second query sees key 101 alone
    EXPECT_EQ(b.dv.get(d), 0);
    EXPECT_DOUBLE_EQ(b.dv.get(8 + d), c.d_o.get(8 + d));
  }
}

// d/dx of sum(o * d_o) by central differences, for some elements of every input.
TEST(Reference, GradientsAreFiniteDifferences) {
  Case c({2, 3, 5, 4, 2, 8, 0.4, 7}, DType::kFloat64, 4);
  c.visibility = Ranges{2, {}};
  for (int row = 0; row < 6; ++row) {
    for (const int bound : {5, 8 + row % 2, 9, 12 - row % 3}) c.visibility->bounds.push_back(bound);
  }
  c.bias.emplace(std::vector<std::int64_t>{1, 4, 1, 5}, DType::kFloat64);
  std::mt19937 random(test::seeded(5));
  Case::randomize(*c.bias, random);
  c.bias->set(3, -kInfinity);
  Forward f = oracle_forward(c);
  Backward b = oracle_backward(c, f);
  const auto loss = [&c] {
    const Forward at = oracle_forward(c);
    double sum = 0;
    for (std::int64_t i = 0; i < at.o.count(); ++i) sum += at.o.get(i) * c.d_o.get(i);
    return sum;
  };
  const auto check = [&](Array& x, const Array& gradient) {
    for (std::int64_t i = 0; i < x.count(); ++i) {
      const double at = x.get(i);
      if (std::isinf(at)) continue;
      constexpr double kStep = 1e-5;
      x.set(i, at + kStep);
      const double up = loss();
      x.set(i, at - kStep);
      const double down = loss();
      x.set(i, at);
      EXPECT_NEAR(gradient.get(i), (up - down) / (2 * kStep), 1e-8) << i;
    }
  };
  check(c.q, b.dq);
  check(c.k, b.dk);
  check(c.v, b.dv);
  check(*c.bias, *b.d_bias);
}

}  // namespace
}  // namespace lvx::testing
