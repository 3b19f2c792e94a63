// SPDX-License-Identifier: Apache-2.0
// Every strategy over NCCL, which executes starts in order. Results must be exact, and no rank may wait for a transfer that is
// started later.
#include <gtest/gtest.h>

#include "support/attention_shares.h"
#include "support/expected_traffic.h"
#include "support/nccl_ranks.h"
#include "support/seed.h"
#include "support/visual_shares.h"

namespace lvx::test {
namespace {

constexpr double kTolerance = 1e-12;

// Random problems that the strategy supports with that many ranks. None has heads that five ranks can share.
std::vector<RandomProblem> problems(lvx_strategy strategy, int ranks) {
  constexpr std::size_t kProblems = 6;
  std::vector<RandomProblem> chosen;
  for (std::uint64_t seed = 1; chosen.size() < kProblems; ++seed) {
    if (strategy == LVX_HEAD_ALL_TO_ALL && ranks == 5) {
      const auto some = static_cast<std::int64_t>(seed);
      chosen.emplace_back(seeded(seed), ProblemShape{1, 16 + some, 40 + some, 10, 5, 16, 0.25, 0}, ranks);
      continue;
    }
    RandomProblem random(seeded(seed));
    const bool computes = strategy != LVX_HEAD_ALL_TO_ALL || heads_divide(random);
    if (random.ranks == ranks && computes) chosen.push_back(std::move(random));
  }
  return chosen;
}

class NcclSchedules : public testing::TestWithParam<lvx_strategy> {};

TEST_P(NcclSchedules, EverySplitEqualsTheReference) {
  const lvx_strategy strategy = GetParam();
  for (const int ranks : {2, 3, 5}) {
    bool streams = false;
    for (const RandomProblem& random : problems(strategy, ranks)) {
      SCOPED_TRACE(std::to_string(ranks) + " ranks");
      streams = !streams;
      GroupOptions options;
      options.ranks_per_node = 2;
      const Results expected = reference(random);
      Results results(random);
      for (const auto& thrown : run_nccl_ranks(
               ranks, options, [&](Group& group) { compute_share(group, random, strategy, results); },
               {.streams = streams})) {
        ASSERT_EQ(error_of(thrown).status(), LVX_OK) << error_of(thrown).what();
      }
      EXPECT_LE(relative_error(results.o, expected.o), kTolerance) << "o";
      EXPECT_LE(relative_error(results.lse, expected.lse), kTolerance) << "lse";
      EXPECT_LE(relative_error(results.dq, expected.dq), kTolerance) << "dq";
      EXPECT_LE(relative_error(results.dk, expected.dk), kTolerance) << "dk";
      EXPECT_LE(relative_error(results.dv, expected.dv), kTolerance) << "dv";
      EXPECT_LE(relative_error(results.d_bias, expected.d_bias), kTolerance) << "d_bias";
      ASSERT_FALSE(HasFailure());
    }
  }
}

TEST(NcclRecomputation, TilesEqualTheReference) {
  for (std::uint64_t seed = seeded(3000); seed < seeded(3012); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const VisualProblem visual(seed);
    const VisualResults expected = visual_reference(visual);
    VisualResults results(visual);
    for (const auto& thrown :
         run_nccl_ranks(visual.random.ranks, GroupOptions(),
                        [&](Group& group) { compute_visual_share(group, visual, results); },
                        {.streams = seed % 2 == 0})) {
      ASSERT_EQ(error_of(thrown).status(), LVX_OK) << error_of(thrown).what();
    }
    EXPECT_LE(relative_error(results.attention.o, expected.attention.o), kTolerance) << "o";
    EXPECT_LE(relative_error(results.attention.dq, expected.attention.dq), kTolerance) << "dq";
    EXPECT_LE(relative_error(results.d_features, expected.d_features, expected.features_term), kTolerance)
        << "d_features";
    EXPECT_LE(relative_error(results.sums.weight, expected.sums.weight), kTolerance) << "weight";
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, NcclSchedules,
                         testing::Values(LVX_QUERY_RING, LVX_QUERY_GATHER, LVX_KV_RING, LVX_KV_GATHER,
                                         LVX_HEAD_ALL_TO_ALL, LVX_TWO_LEVEL));

}  // namespace
}  // namespace lvx::test
