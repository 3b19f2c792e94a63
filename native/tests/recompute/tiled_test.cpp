// SPDX-License-Identifier: Apache-2.0
// Recomputation by tiles. For any split over any number of ranks and any tile size, results equal those of a textbook
// implementation, every visible tile is projected once per pass, and traffic is as docs/schedules.md says.
#include <gtest/gtest.h>

#include <string>

#include "support/campaign.h"
#include "support/counting_device.h"
#include "support/expected_traffic.h"
#include "support/gloo_ranks.h"
#include "support/local_ranks.h"
#include "support/seed.h"
#include "support/visual_shares.h"

namespace lvx::test {
namespace {

// Whether any query sees a key of [begin, end).
bool anyone_sees(const RandomProblem& random, std::int64_t begin, std::int64_t end) {
  if (!random.has_visibility) return random.shape.batch > 0 && random.shape.queries > 0 && begin < end;
  for (std::size_t i = 0; i + 1 < random.visible.size(); i += 2) {
    if (std::max<std::int64_t>(random.visible[i], begin) < std::min<std::int64_t>(random.visible[i + 1], end))
      return true;
  }
  return false;
}

std::int64_t rows_seen(const VisualProblem& visual, int rank) {
  const auto at = static_cast<std::size_t>(rank);
  const std::int64_t first = visual.random.key_begin[at];
  const std::int64_t last = visual.random.key_begin[at + 1];
  std::int64_t rows = 0;
  for (std::int64_t begin = first; begin < last; begin += visual.tile_rows) {
    const std::int64_t end = std::min(last, begin + visual.tile_rows);
    if (anyone_sees(visual.random, begin, end)) rows += end - begin;
  }
  return rows;
}

TEST(Tiled, EverySplitEqualsTheReferenceProjectsOnceAndSendsWhatTheFormulaSays) {
  for (std::uint64_t seed = seeded(1); seed < seeded(1) + sample_size(500); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const VisualProblem visual(seed);
    const RandomProblem& random = visual.random;
    GroupOptions options;
    options.ranks_per_node = static_cast<int>(seed % 5);
    const VisualResults expected = visual_reference(visual);
    VisualResults results(visual);
    std::vector<Costs> costs(static_cast<std::size_t>(random.ranks));
    std::vector<std::int64_t> projected(costs.size());
    const std::shared_ptr<LocalWorld> world = make_local_world(random.ranks, options);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < random.ranks; ++rank) {
      threads.emplace_back([&, rank] {
        const auto device = std::make_shared<CountingDevice>(make_cpu_device({.threads = 1}));
        Group group(world->join(rank), device, options);
        const auto at = static_cast<std::size_t>(rank);
        costs[at] = compute_visual_share(group, visual, results);
        projected[at] = device->projected();
        EXPECT_EQ(std::max(costs[at].forward.peak_bytes, costs[at].backward.peak_bytes),
                  device->peak_bytes());
      });
    }
    for (std::thread& thread : threads) thread.join();
    expect_equal(results, expected);
    const std::vector<Traffic> forward = expected_traffic(random, LVX_QUERY_GATHER, options, false);
    const std::vector<Traffic> backward = expected_traffic(random, LVX_QUERY_GATHER, options, true);
    for (std::size_t rank = 0; rank < costs.size(); ++rank) {
      SCOPED_TRACE("rank " + std::to_string(rank));
      EXPECT_EQ(traffic_of(costs[rank].forward), forward[rank]) << "forward";
      EXPECT_EQ(traffic_of(costs[rank].backward), backward[rank]) << "backward";
      // Forward and backward.
      EXPECT_EQ(projected[rank], 2 * rows_seen(visual, static_cast<int>(rank)) * random.shape.batch * 2 *
                                     random.shape.key_heads * random.shape.head_dim);
    }
    ASSERT_FALSE(HasFailure());
  }
}

TEST(Tiled, TwoRunsGiveTheSameBits) {
  for (std::uint64_t seed = seeded(1000); seed < seeded(1000) + sample_size(20); ++seed) {
    const VisualProblem visual(seed);
    VisualResults first(visual), second(visual);
    // The ranks' shares of a sum are added in any order here, so bits are compared only with one rank.
    ProjectionValues sums[2] = {visual.parameters.like(), visual.parameters.like()};
    for (int run = 0; run < 2; ++run) {
      VisualResults& results = run == 0 ? first : second;
      run_ranks_well(visual.random.ranks, [&](Group& group) {
        compute_visual_share(group, visual, results);
        VisualShare share(visual, group.rank());
        visual_forward(group, share.forward, nullptr);
        visual_backward(group, share.backward, nullptr);
        if (group.rank() == 0) sums[run] = share.sums;
      });
    }
    EXPECT_EQ(first.attention.o, second.attention.o) << "seed " << seed;
    EXPECT_EQ(first.attention.lse, second.attention.lse) << "seed " << seed;
    EXPECT_EQ(first.attention.dq, second.attention.dq) << "seed " << seed;
    EXPECT_EQ(first.d_features, second.d_features) << "seed " << seed;
    EXPECT_EQ(sums[0].weight, sums[1].weight) << "seed " << seed;
  }
}

TEST(Tiled, RanksMayBeJoinedByConnections) {
  for (std::uint64_t seed = seeded(2000); seed < seeded(2010); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const VisualProblem visual(seed);
    VisualResults results(visual);
    run_gloo_ranks_well(visual.random.ranks,
                        [&](Group& group) { compute_visual_share(group, visual, results); });
    expect_equal(results, visual_reference(visual));
  }
}

TEST(Tiled, RanksMustProjectAlike) {
  const VisualProblem visual(3);
  run_ranks_well(2, [&](Group& group) {
    RandomProblem random(7, ProblemShape{1, 4, 6, 2, 2, 8, 1, 0}, 2);
    VisualProblem mine = visual;
    mine.random = random;
    mine.width = 3 + group.rank();
    mine.layout = LVX_KEY_VALUE_CONCATENATED;
    mine.features.assign(static_cast<std::size_t>(6 * mine.width), 1.0);
    mine.positions.assign(6, 0);
    mine.input_norm = mine.key_norm = LVX_NORM_NONE;
    mine.rotary = false;
    mine.parameters = {Values(static_cast<std::size_t>(32 * mine.width)), {}, {}, {}, {}};
    VisualShare share(mine, group.rank());
    try {
      visual_forward(group, share.forward, nullptr);
      ADD_FAILURE() << "computed";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), LVX_PEER_MISMATCH);
      EXPECT_NE(std::string(error.what()).find("width"), std::string::npos) << error.what();
    }
    group.barrier();
  });
}

}  // namespace
}  // namespace lvx::test
