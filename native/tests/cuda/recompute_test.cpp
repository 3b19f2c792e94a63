// SPDX-License-Identifier: Apache-2.0
// Projections, schedules and groups over several simulated GPUs, with the same tests as on the CPU.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "cuda/simulated_device.h"
#include "group/local/local_world.h"
#include "support/campaign.h"
#include "support/long_tiles.h"
#include "support/seed.h"
#include "support/visual_shares.h"

namespace lvx::test {
namespace {

TEST(SimulatedGpus, RecomputeKeysAndValuesAsTheReferenceDoes) {
  for (std::uint64_t seed = seeded(1); seed < seeded(1) + sample_size(40); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const VisualProblem visual(seed);
    VisualResults results(visual);
    const std::shared_ptr<LocalWorld> world = make_local_world(visual.random.ranks, {});
    std::vector<std::thread> threads;
    for (int rank = 0; rank < visual.random.ranks; ++rank) {
      threads.emplace_back([&, rank] {
        const auto device = std::make_shared<testing::SimulatedDevice>();
        Group group(world->join(rank), device, {});
        const Costs costs = compute_visual_share(group, visual, results);
        EXPECT_EQ(std::max(costs.forward.peak_bytes, costs.backward.peak_bytes), device->peak_bytes());
        EXPECT_EQ(device->bytes_in_use(), 0u);
      });
    }
    for (std::thread& thread : threads) thread.join();
    expect_equal(results, visual_reference(visual));
    ASSERT_FALSE(HasFailure());
  }
}

// Sums in groups, with queries that see nothing of a group, and with a bias.
TEST(SimulatedGpus, AddUpManyTilesExactly) {
  RankParts parts;
  parts.device = [](int) { return std::make_shared<testing::SimulatedDevice>(); };
  for (const DType dtype : {DType::kFloat32, DType::kFloat16}) {
    SCOPED_TRACE(name_of(dtype));
    const int ranks = dtype == DType::kFloat32 ? 2 : 1;
    LongTiles tiles(dtype, 66 * ranks, 5,
                    dtype == DType::kFloat32 ? 3 : 0);  // more than one group per rank
    if (dtype == DType::kFloat32) {
      tiles.mask();
      tiles.add_bias();
    }
    LongResults expected = long_reference(tiles);
    LongResults results = compute_long_tiles(tiles, 1, ranks, parts);
    // Values far from 0 make dS cancel, even within one tile.
    LongResults once = compute_long_tiles(tiles, tiles.shape.keys, 1, parts);
    expect_no_worse(errors_of(results, expected, false), errors_of(once, expected, false));
  }
}

}  // namespace
}  // namespace lvx::test
