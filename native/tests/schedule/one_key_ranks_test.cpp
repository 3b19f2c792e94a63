// SPDX-License-Identifier: Apache-2.0
// Queries that see a single key, which may be another rank's. With every strategy, no bit of the results depends on q, k or the
// bias.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>

#include "support/attention_shares.h"
#include "support/campaign.h"
#include "support/expected_traffic.h"
#include "support/local_ranks.h"

namespace lvx::test {
namespace {

// Each query sees a single key, except some that may see none. The others are hidden by the query's range, or by a bias that all
// queries share.
void show_one_key(RandomProblem& random, std::uint64_t seed) {
  std::mt19937_64 draw(seed);
  const ProblemShape& p = random.shape;
  const auto any_key = [&] { return static_cast<std::int32_t>(draw() % static_cast<std::uint64_t>(p.keys)); };
  random.has_visibility = seed % 2 == 0;
  random.has_bias = !random.has_visibility;
  random.visible.clear();
  random.ranges = 1;
  random.bias.clear();
  random.bias_batch = random.bias_heads = random.bias_rows = 1;
  if (random.has_visibility) {
    for (std::int64_t row = 0; row < p.batch * p.queries; ++row) {
      const std::int32_t key = any_key();
      random.visible.insert(random.visible.end(), {key, draw() % 5 == 0 ? key : key + 1});
    }
  } else {
    random.bias.assign(static_cast<std::size_t>(p.keys), -std::numeric_limits<double>::infinity());
    random.bias[static_cast<std::size_t>(any_key())] = 0.75;
  }
}

// Propagates NaN.
std::int64_t not_zero(const Values& values) {
  return std::count_if(values.begin(), values.end(), [](double value) { return value != 0; });
}

class OneKeyOverRanks : public testing::TestWithParam<lvx_strategy> {};

TEST_P(OneKeyOverRanks, LeavesNoGradients) {
  const lvx_strategy strategy = GetParam();
  int computed = 0;
  for (std::uint64_t seed = campaign_seed(); computed < campaign_size(600); ++seed) {
    RandomProblem random(seed);
    if (random.shape.keys == 0) continue;
    if (strategy == LVX_HEAD_ALL_TO_ALL && !heads_divide(random)) continue;
    ++computed;
    SCOPED_TRACE("seed " + std::to_string(seed));
    show_one_key(random, seed);
    Results results(random);
    run_ranks_well(random.ranks, [&](Group& group) { compute_share(group, random, strategy, results); });
    const Results expected = reference(random);
    EXPECT_EQ(relative_error(results.o, expected.o), 0);
    EXPECT_LE(relative_error(results.dv, expected.dv), 1e-12);
    EXPECT_EQ(not_zero(results.dq), 0);
    EXPECT_EQ(not_zero(results.dk), 0);
    EXPECT_EQ(not_zero(results.d_bias), 0);
    ASSERT_FALSE(HasFailure());
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, OneKeyOverRanks,
                         testing::Values(LVX_QUERY_RING, LVX_QUERY_GATHER, LVX_KV_RING, LVX_KV_GATHER,
                                         LVX_HEAD_ALL_TO_ALL, LVX_TWO_LEVEL),
                         [](const auto& parameter) { return "Strategy" + std::to_string(parameter.param); });

}  // namespace
}  // namespace lvx::test
