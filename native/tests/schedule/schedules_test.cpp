// SPDX-License-Identifier: Apache-2.0
// Every strategy: with any split over any number of ranks, results equal those of a textbook implementation, and traffic is as
// docs/schedules.md says.
#include <gtest/gtest.h>

#include <string>

#include "support/attention_shares.h"
#include "support/campaign.h"
#include "support/expected_traffic.h"
#include "support/local_ranks.h"
#include "support/seed.h"

namespace lvx::test {
namespace {

constexpr double kTolerance = 1e-12;

void expect_equal(const Results& results, const Results& expected) {
  EXPECT_LE(relative_error(results.o, expected.o), kTolerance) << "o";
  EXPECT_LE(relative_error(results.lse, expected.lse), kTolerance) << "lse";
  EXPECT_LE(relative_error(results.dq, expected.dq), kTolerance) << "dq";
  EXPECT_LE(relative_error(results.dk, expected.dk), kTolerance) << "dk";
  EXPECT_LE(relative_error(results.dv, expected.dv), kTolerance) << "dv";
  EXPECT_LE(relative_error(results.d_bias, expected.d_bias), kTolerance) << "d_bias";
}

struct Strategy {
  lvx_strategy strategy;
  const char* name;
};

class Schedules : public testing::TestWithParam<Strategy> {
 protected:
  static bool supported(const RandomProblem& random) {
    return GetParam().strategy != LVX_HEAD_ALL_TO_ALL || heads_divide(random);
  }
};

TEST_P(Schedules, EverySplitEqualsTheReferenceAndSendsWhatTheFormulaSays) {
  std::uint64_t computed = 0;
  for (std::uint64_t seed = seeded(1); computed < sample_size(500); ++seed) {
    const RandomProblem random(seed);
    if (!supported(random)) continue;
    ++computed;
    SCOPED_TRACE("seed " + std::to_string(seed));
    GroupOptions options;
    options.ranks_per_node = static_cast<int>(seed % 5);
    const Results expected = reference(random);
    Results results(random);
    std::vector<Costs> costs(static_cast<std::size_t>(random.ranks));
    for (const auto& thrown : run_ranks(random.ranks, options, [&](Group& group) {
           costs[static_cast<std::size_t>(group.rank())] =
               compute_share(group, random, GetParam().strategy, results);
         })) {
      ASSERT_EQ(error_of(thrown).status(), LVX_OK) << error_of(thrown).what();
    }
    expect_equal(results, expected);
    const std::vector<Traffic> forward = expected_traffic(random, GetParam().strategy, options, false);
    const std::vector<Traffic> backward = expected_traffic(random, GetParam().strategy, options, true);
    for (std::size_t rank = 0; rank < costs.size(); ++rank) {
      SCOPED_TRACE("rank " + std::to_string(rank));
      EXPECT_EQ(traffic_of(costs[rank].forward), forward[rank]) << "forward";
      EXPECT_EQ(traffic_of(costs[rank].backward), backward[rank]) << "backward";
    }
    ASSERT_FALSE(HasFailure());
  }
}

// Sizes at which the device splits a block and its parts in different ways. They are too large for the oracle, so the results
// are compared with those of one rank.
TEST_P(Schedules, PartsOfABlockMayNeedMoreScratchThanTheWhole) {
  for (const std::int64_t queries : {4, 32}) {
    const ProblemShape sizes{1, queries, 2048, 8, 8, 64, 0.125, 0};
    const RandomProblem whole(7, sizes, 1), shared(7, sizes, 4);
    Results expected(whole), results(shared);
    run_ranks_well(1, [&](Group& group) { compute_share(group, whole, GetParam().strategy, expected); });
    run_ranks_well(4, [&](Group& group) { compute_share(group, shared, GetParam().strategy, results); });
    expect_equal(results, expected);
  }
}

TEST_P(Schedules, TwoRunsGiveTheSameBits) {
  for (std::uint64_t seed = seeded(1000); seed < seeded(1000) + sample_size(40); ++seed) {
    const RandomProblem random(seed);
    if (!supported(random)) continue;
    Results first(random), second(random);
    for (Results* results : {&first, &second}) {
      run_ranks_well(random.ranks,
                     [&](Group& group) { compute_share(group, random, GetParam().strategy, *results); });
    }
    EXPECT_EQ(first.o, second.o) << "seed " << seed;
    EXPECT_EQ(first.lse, second.lse) << "seed " << seed;
    EXPECT_EQ(first.dq, second.dq) << "seed " << seed;
    EXPECT_EQ(first.dk, second.dk) << "seed " << seed;
    EXPECT_EQ(first.dv, second.dv) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, Schedules,
                         testing::Values(Strategy{LVX_QUERY_RING, "QueryRing"},
                                         Strategy{LVX_QUERY_GATHER, "QueryGather"},
                                         Strategy{LVX_KV_RING, "KvRing"}, Strategy{LVX_KV_GATHER, "KvGather"},
                                         Strategy{LVX_HEAD_ALL_TO_ALL, "HeadAllToAll"},
                                         Strategy{LVX_TWO_LEVEL, "TwoLevel"}),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(HeadAllToAll, RefusesHeadsThatDoNotDivideBeforeAnyByteMovesAndStaysUsable) {
  std::uint64_t seed = seeded(1);
  while (heads_divide(RandomProblem(seed)) || RandomProblem(seed).ranks == 1) ++seed;
  const RandomProblem random(seed);
  run_ranks_well(random.ranks, [&](Group& group) {
    Results results(random);
    try {
      compute_share(group, random, LVX_HEAD_ALL_TO_ALL, results);
      ADD_FAILURE() << "computed";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), LVX_UNSUPPORTED);
      EXPECT_NE(std::string(error.what()).find("query heads"), std::string::npos) << error.what();
    }
    group.barrier();
  });
}

}  // namespace
}  // namespace lvx::test
