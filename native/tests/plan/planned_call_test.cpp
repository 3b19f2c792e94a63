// SPDX-License-Identifier: Apache-2.0
// Plans equal the calls that they predict: bytes, messages and memory agree to the byte, also with docs/schedules.md's formulas.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "support/expected_traffic.h"
#include "support/local_ranks.h"
#include "support/planned_shares.h"
#include "support/visual_shares.h"

namespace lvx::test {
namespace {

constexpr lvx_strategy kStrategies[] = {LVX_QUERY_RING, LVX_QUERY_GATHER,    LVX_KV_RING,
                                        LVX_KV_GATHER,  LVX_HEAD_ALL_TO_ALL, LVX_TWO_LEVEL};

void expect_counts(const lvx_statistics& planned, const lvx_statistics& counted) {
  EXPECT_EQ(traffic_of(planned), traffic_of(counted));
  EXPECT_EQ(planned.bytes_received, counted.bytes_received);
  EXPECT_EQ(planned.messages_received, counted.messages_received);
  EXPECT_EQ(planned.control_bytes_sent, counted.control_bytes_sent);
  EXPECT_EQ(planned.control_messages_sent, counted.control_messages_sent);
  EXPECT_EQ(planned.peak_bytes, counted.peak_bytes);
  EXPECT_EQ(planned.strategy, counted.strategy);
}

Traffic sent_in(const PlannedShare& share, int rank, const GroupOptions& options) {
  Traffic traffic;
  for (const lvx_plan_step& step : share.steps) {
    if (step.kind != LVX_PLAN_SEND) continue;
    traffic.bytes += step.bytes;
    ++traffic.messages;
    const int per_node = options.ranks_per_node;
    if (per_node != 0 && rank / per_node != step.peer / per_node) traffic.inter_node_bytes += step.bytes;
  }
  return traffic;
}

// The plans of both ranks of a pair must agree on what they exchange, in order.
void expect_matching_messages(const std::vector<PlannedShare>& shares) {
  using Lines = std::map<std::pair<int, int>, std::vector<std::uint64_t>>;
  Lines sent, received;
  for (int rank = 0; rank < static_cast<int>(shares.size()); ++rank) {
    for (const lvx_plan_step& step : shares[static_cast<std::size_t>(rank)].steps) {
      if (step.kind == LVX_PLAN_SEND) sent[{rank, step.peer}].push_back(step.bytes);
      if (step.kind == LVX_PLAN_RECEIVE) received[{step.peer, rank}].push_back(step.bytes);
    }
  }
  EXPECT_EQ(sent, received);
}

// Every query is computed against every key that its rank sees, once per head.
void expect_every_pair(const std::vector<PlannedShare>& shares, const RandomProblem& random) {
  std::map<std::pair<int, int>, std::int64_t> met;
  for (const PlannedShare& share : shares) {
    for (const lvx_plan_step& step : share.steps) {
      if (step.kind != LVX_PLAN_ATTENTION) continue;
      met[{step.query_rank, step.key_rank}] += step.queries * step.keys * step.query_heads;
    }
  }
  for (int home = 0; home < random.ranks; ++home) {
    for (int rank = 0; rank < random.ranks; ++rank) {
      // A rank's own block is computed even if its mask hides everything.
      if (!random.sees(home, rank) && home == rank) continue;
      const std::int64_t all = random.queries(home) * random.keys(rank) * random.shape.query_heads;
      EXPECT_EQ((met[{home, rank}]), random.sees(home, rank) ? all : 0) << home << " at " << rank;
    }
  }
}

TEST(PlannedCall, EqualsCallsAndFormulasForEveryScheduleSplitAndMask) {
  const std::unique_ptr<Device> device = make_cpu_device({.threads = 1});
  int planned = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const RandomProblem random(seed);
    GroupOptions options;
    options.ranks_per_node = static_cast<int>(seed % 5);
    for (const lvx_strategy strategy : kStrategies) {
      if (strategy == LVX_HEAD_ALL_TO_ALL && !heads_divide(random)) continue;
      SCOPED_TRACE("seed " + std::to_string(seed) + ", strategy " + std::to_string(strategy));
      Results results(random);
      std::vector<Costs> costs(static_cast<std::size_t>(random.ranks));
      for (const auto& thrown : run_ranks(random.ranks, options, [&](Group& group) {
             costs[static_cast<std::size_t>(group.rank())] = compute_share(group, random, strategy, results);
           })) {
        ASSERT_EQ(error_of(thrown).status(), LVX_OK) << error_of(thrown).what();
      }
      for (const bool backward : {false, true}) {
        const Operation operation = backward ? Operation::kBackward : Operation::kForward;
        const PlannedShares shares(random, operation, strategy, options.ranks_per_node);
        const std::vector<PlannedShare> plans = shares.plan(device.get());
        const std::vector<Traffic> formulas = expected_traffic(random, strategy, options, backward);
        for (std::size_t rank = 0; rank < plans.size(); ++rank) {
          SCOPED_TRACE((backward ? "backward, rank " : "forward, rank ") + std::to_string(rank));
          expect_counts(plans[rank].statistics, backward ? costs[rank].backward : costs[rank].forward);
          EXPECT_EQ(sent_in(plans[rank], static_cast<int>(rank), options), formulas[rank]);
          ++planned;
        }
        expect_matching_messages(plans);
        expect_every_pair(plans, random);
      }
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_GT(planned, 5000);
}

TEST(PlannedCall, EqualsTiledCallsAndProjectsEveryTileOnce) {
  const std::unique_ptr<Device> device = make_cpu_device({.threads = 1});
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const VisualProblem visual(seed);
    const RandomProblem& random = visual.random;
    GroupOptions options;
    options.ranks_per_node = static_cast<int>(seed % 5);
    VisualResults results(visual);
    std::vector<Costs> costs(static_cast<std::size_t>(random.ranks));
    for (const auto& thrown : run_ranks(random.ranks, options, [&](Group& group) {
           costs[static_cast<std::size_t>(group.rank())] = compute_visual_share(group, visual, results);
         })) {
      ASSERT_EQ(error_of(thrown).status(), LVX_OK) << error_of(thrown).what();
    }
    for (const bool backward : {false, true}) {
      const Operation operation = backward ? Operation::kVisualBackward : Operation::kVisualForward;
      const PlannedShares shares(visual, operation, options.ranks_per_node);
      const std::vector<PlannedShare> plans = shares.plan(device.get());
      const std::vector<Traffic> formulas = expected_traffic(random, LVX_QUERY_GATHER, options, backward);
      for (std::size_t rank = 0; rank < plans.size(); ++rank) {
        SCOPED_TRACE((backward ? "backward, rank " : "forward, rank ") + std::to_string(rank));
        expect_counts(plans[rank].statistics, backward ? costs[rank].backward : costs[rank].forward);
        EXPECT_EQ(sent_in(plans[rank], static_cast<int>(rank), options), formulas[rank]);
        if (random.has_visibility || random.shape.queries == 0) continue;
        double flops = 0;
        for (const lvx_plan_step& step : plans[rank].steps) flops += step.flops;
        const ProblemShape& p = random.shape;
        const std::int64_t once =
            4 * p.batch * random.keys(static_cast<int>(rank)) * visual.width * p.key_heads * p.head_dim;
        EXPECT_EQ(flops, static_cast<double>((backward ? 3 : 1) * once));
      }
      expect_matching_messages(plans);
    }
    ASSERT_FALSE(HasFailure());
  }
}

TEST(PlannedCall, CountsThePackingOfAStridedQ) {
  const RandomProblem random(3, ProblemShape{2, 12, 40, 4, 2, 16, 0.25}, 3);
  PlannedShares shares(random, Operation::kForward, LVX_QUERY_RING, 0);
  const PlannedShare compact = shares.plan(0, nullptr);
  shares.call().strided_q = true;
  const PlannedShare strided = shares.plan(0, nullptr);
  const std::uint64_t q_bytes = 2 * 4 * 4 * 16 * 8;
  EXPECT_EQ(strided.statistics.peak_bytes, compact.statistics.peak_bytes + q_bytes);
  EXPECT_EQ(traffic_of(strided.statistics), traffic_of(compact.statistics));
  EXPECT_EQ(strided.steps.size(), compact.steps.size() + 1);
  EXPECT_EQ(strided.steps.front().kind, LVX_PLAN_MEMORY);
  EXPECT_EQ(strided.steps.front().bytes_read, q_bytes);
  EXPECT_EQ(strided.steps.front().bytes_written, q_bytes);
}

TEST(PlannedCall, NeedsNoMoreRoomThanItIsGiven) {
  const RandomProblem random(3, ProblemShape{1, 12, 40, 4, 2, 16, 0.25}, 3);
  const PlannedShares shares(random, Operation::kForward, LVX_QUERY_GATHER, 0);
  const PlannedShare whole = shares.plan(1, nullptr);
  ASSERT_GT(whole.steps.size(), 3u);
  std::vector<lvx_plan_step> some(3, lvx_plan_step{});
  Steps steps(std::span<lvx_plan_step>(some).first(2));
  PlannedShares again(random, Operation::kForward, LVX_QUERY_GATHER, 0);
  plan_rank(again.call(), 1, nullptr, steps, nullptr);
  EXPECT_EQ(steps.count(), whole.steps.size());
  EXPECT_EQ(some[1].kind, whole.steps[1].kind);
  EXPECT_EQ(some[2].kind, 0);
}

}  // namespace
}  // namespace lvx::test
