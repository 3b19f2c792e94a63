// SPDX-License-Identifier: Apache-2.0
// Biases of any finite magnitude, with any split of queries and keys: every strategy, and recomputation by tiles, give the
// results of exact arithmetic.
#include <gtest/gtest.h>

#include <string>

#include "support/attention_shares.h"
#include "support/campaign.h"
#include "support/expected_traffic.h"
#include "support/huge_biases.h"
#include "support/local_ranks.h"
#include "support/visual_shares.h"

namespace lvx::test {
namespace {

constexpr double kTolerance = 1e-12;

void expect_exact(const Results& results, const Results& expected) {
  EXPECT_LE(relative_error(results.o, expected.o), kTolerance) << "o";
  EXPECT_LE(entrywise_error(results.lse, expected.lse), kTolerance) << "lse";
  EXPECT_LE(relative_error(results.dq, expected.dq, expected.terms.dq), kTolerance) << "dq";
  EXPECT_LE(relative_error(results.dk, expected.dk, expected.terms.dk), kTolerance) << "dk";
  EXPECT_LE(relative_error(results.dv, expected.dv), kTolerance) << "dv";
  EXPECT_LE(relative_error(results.d_bias, expected.d_bias, expected.terms.d_bias), kTolerance) << "d_bias";
}

class HugeBiases : public testing::TestWithParam<lvx_strategy> {};

TEST_P(HugeBiases, AreExactOverAnySplitAndGiveTheSameBits) {
  const lvx_strategy strategy = GetParam();
  int computed = 0;
  for (std::uint64_t seed = campaign_seed(); computed < campaign_size(1200); ++seed) {
    RandomProblem random(seed);
    if (strategy == LVX_HEAD_ALL_TO_ALL && !heads_divide(random)) continue;
    ++computed;
    SCOPED_TRACE("seed " + std::to_string(seed));
    give_huge_bias(random, seed);
    GroupOptions options;
    options.ranks_per_node = static_cast<int>(seed % 5);
    Results first(random), second(random);
    std::vector<Costs> costs(static_cast<std::size_t>(random.ranks));
    for (Results* results : {&first, &second}) {
      for (const auto& thrown : run_ranks(random.ranks, options, [&](Group& group) {
             costs[static_cast<std::size_t>(group.rank())] = compute_share(group, random, strategy, *results);
           })) {
        ASSERT_EQ(error_of(thrown).status(), LVX_OK) << error_of(thrown).what();
      }
    }
    expect_exact(first, reference(random));
    EXPECT_EQ(first.o, second.o);
    EXPECT_EQ(first.lse, second.lse);
    EXPECT_EQ(first.dq, second.dq);
    EXPECT_EQ(first.dk, second.dk);
    EXPECT_EQ(first.dv, second.dv);
    const std::vector<Traffic> forward = expected_traffic(random, strategy, options, false);
    const std::vector<Traffic> backward = expected_traffic(random, strategy, options, true);
    for (std::size_t rank = 0; rank < costs.size(); ++rank) {
      EXPECT_EQ(traffic_of(costs[rank].forward), forward[rank]) << "forward of rank " << rank;
      EXPECT_EQ(traffic_of(costs[rank].backward), backward[rank]) << "backward of rank " << rank;
    }
    ASSERT_FALSE(HasFailure());
  }
}

// A bias that is equal for all keys of a row changes only lse.
TEST_P(HugeBiases, ThatAllKeysShareChangeLseAlone) {
  const lvx_strategy strategy = GetParam();
  int computed = 0;
  for (std::uint64_t seed = campaign_seed() + 5000; computed < campaign_size(200); ++seed) {
    RandomProblem random(seed);
    if (random.has_bias || (strategy == LVX_HEAD_ALL_TO_ALL && !heads_divide(random))) continue;
    ++computed;
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto compute = [&](const RandomProblem& problem) {
      Results results(problem);
      run_ranks_well(problem.ranks, [&](Group& group) { compute_share(group, problem, strategy, results); });
      return results;
    };
    const Results plain = compute(random);
    random.has_bias = true;
    for (const double shared : kHugeBiases) {
      random.bias.assign(static_cast<std::size_t>(random.shape.keys), shared);
      const Results biased = compute(random);
      EXPECT_LE(relative_error(biased.o, plain.o), kTolerance) << shared;
      EXPECT_LE(relative_error(biased.dq, plain.dq), kTolerance) << shared;
      EXPECT_LE(relative_error(biased.dk, plain.dk), kTolerance) << shared;
      EXPECT_LE(relative_error(biased.dv, plain.dv), kTolerance) << shared;
      Values lse = plain.lse;
      for (double& value : lse) value += shared;
      EXPECT_LE(entrywise_error(biased.lse, lse), kTolerance) << shared;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, HugeBiases,
                         testing::Values(LVX_QUERY_RING, LVX_QUERY_GATHER, LVX_KV_RING, LVX_KV_GATHER,
                                         LVX_HEAD_ALL_TO_ALL, LVX_TWO_LEVEL),
                         [](const auto& parameter) { return "Strategy" + std::to_string(parameter.param); });

TEST(HugeBiases, AreExactWhereKeysAreRecomputedByTiles) {
  const std::uint64_t first = campaign_seed();
  for (std::uint64_t seed = first; seed < first + static_cast<std::uint64_t>(campaign_size(1200)); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    VisualProblem visual(seed);
    give_huge_bias(visual.random, seed);
    VisualResults expected = visual_reference(visual);
    VisualResults results(visual);
    run_ranks_well(visual.random.ranks, [&](Group& group) { compute_visual_share(group, visual, results); });
    EXPECT_LE(entrywise_error(results.attention.lse, expected.attention.lse), kTolerance);
    // lse is compared element by element; other results are compared as usual.
    results.attention.lse = expected.attention.lse;
    expect_equal(results, expected);
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace lvx::test
