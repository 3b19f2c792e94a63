// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <stdexcept>

#include "device/cpu/thread_pool.h"

namespace lvx {
namespace {

TEST(ThreadTeam, EveryIndexOnceAndNoSlotTwiceAtATime) {
  for (const int threads : {1, 2, 5}) {
    ThreadTeam team(threads);
    for (const std::int64_t count : {0, 1, 2, 1000}) {
      std::vector<int> calls(static_cast<std::size_t>(count), 0);
      std::vector<std::atomic<int>> inside(static_cast<std::size_t>(threads));
      std::atomic<bool> clash{false};
      team.run(count, [&](std::int64_t index, int slot) {
        if (++inside[static_cast<std::size_t>(slot)] != 1) clash = true;
        ++calls[static_cast<std::size_t>(index)];
        --inside[static_cast<std::size_t>(slot)];
      });
      EXPECT_FALSE(clash);
      for (const int n : calls) EXPECT_EQ(n, 1);
    }
  }
}

TEST(ThreadTeam, ManyDevicesAtOnce) {
  std::vector<std::thread> ranks;
  std::atomic<int> wrong{0};
  for (int rank = 0; rank < 4; ++rank) {
    ranks.emplace_back([&wrong, rank] {
      ThreadTeam team(3);
      for (int round = 0; round < 200; ++round) {
        std::vector<std::int64_t> out(17, -1);
        team.run(17, [&](std::int64_t index, int) { out[static_cast<std::size_t>(index)] = index * rank; });
        for (std::int64_t i = 0; i < 17; ++i) wrong += out[static_cast<std::size_t>(i)] != i * rank;
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadTeam, FailuresComeBackToTheCaller) {
  ThreadTeam team(2);
  for (int round = 0; round < 50; ++round) {
    EXPECT_THROW(team.run(64,
                          [](std::int64_t index, int) {
                            if (index == 40) throw std::runtime_error("forty");
                          }),
                 std::runtime_error);
  }
  std::atomic<int> calls{0};
  team.run(10, [&](std::int64_t, int) { ++calls; });
  EXPECT_EQ(calls, 10);
}

}  // namespace
}  // namespace lvx
