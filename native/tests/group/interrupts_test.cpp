// SPDX-License-Identifier: Apache-2.0
// Ranks that are interrupted while they wait for a peer that does nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <random>
#include <thread>

#include "support/gloo_ranks.h"
#include "support/local_ranks.h"
#include "support/mpi_jobs.h"
#include "support/nccl_ranks.h"
#include "support/seed.h"

namespace lvx::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

enum class Backend { kLocal, kGloo, kNccl, kNcclStreams };

// The longest that an interrupted rank may take to end its call and to leave.
constexpr std::chrono::seconds kPromptly{1};

class Interrupts : public testing::TestWithParam<Backend> {
 protected:
  static std::vector<std::exception_ptr> run(int size, const RankBody& body) {
    switch (GetParam()) {
      case Backend::kGloo:
        return run_gloo_ranks(size, {}, body);
      case Backend::kNccl:
        return run_nccl_ranks(size, {}, body);
      case Backend::kNcclStreams:
        return run_nccl_ranks(size, {}, body, {.streams = true});
      default:
        return run_ranks(size, {}, body);
    }
  }

  // Rank 1 does nothing until the others have given up. Rank 0 is interrupted; rank 2 must learn that. Both make the call.
  static void interrupt_rank_0_of_3(const RankBody& call) {
    std::atomic<int> given_up{0};
    std::atomic<Clock::time_point> interrupted{};
    std::array<Clock::duration, 3> took{};
    const auto thrown = run(3, [&](Group& group) {
      if (group.rank() == 1) {
        while (given_up.load() < 2) std::this_thread::sleep_for(milliseconds(5));
        return;
      }
      std::thread other;
      if (group.rank() == 0) {
        other = std::thread([&] {
          std::this_thread::sleep_for(milliseconds(100));
          interrupted = Clock::now();
          group.interrupt("thread 7 was told to stop");
        });
      }
      std::exception_ptr failure;
      try {
        call(group);
      } catch (...) {
        failure = std::current_exception();
      }
      took[static_cast<std::size_t>(group.rank())] = Clock::now() - interrupted.load();
      if (other.joinable()) other.join();
      EXPECT_TRUE(group.failed());
      ++given_up;
      if (failure) std::rethrow_exception(failure);
    });
    EXPECT_LT(took[0], kPromptly);
    EXPECT_LT(took[2], 2 * kPromptly) << "it waits for rank 1 as well";
    EXPECT_EQ(error_of(thrown[0]).status(), LVX_INTERRUPTED) << error_of(thrown[0]).what();
    EXPECT_EQ(error_of(thrown[0]).peer(), -1);
    EXPECT_STREQ(error_of(thrown[0]).what(),
                 "interrupted while it waited for rank 1: thread 7 was told to stop");
    EXPECT_EQ(error_of(thrown[2]).status(), LVX_PEER_LOST) << error_of(thrown[2]).what();
    EXPECT_EQ(error_of(thrown[2]).peer(), 0);
    EXPECT_THAT(error_of(thrown[2]).what(), HasSubstr("rank 0 left the group: interrupted while"));
    EXPECT_THAT(error_of(thrown[2]).what(), HasSubstr("thread 7 was told to stop"));
  }
};

INSTANTIATE_TEST_SUITE_P(Local, Interrupts, testing::Values(Backend::kLocal));
INSTANTIATE_TEST_SUITE_P(Gloo, Interrupts, testing::Values(Backend::kGloo));
INSTANTIATE_TEST_SUITE_P(Nccl, Interrupts, testing::Values(Backend::kNccl, Backend::kNcclStreams));

TEST_P(Interrupts, EndTheWaitForAPeersAnnouncement) {
  interrupt_rank_0_of_3([](Group& group) { group.barrier(); });
}

// Rank 1 announces the call, but sends nothing.
TEST_P(Interrupts, EndTheWaitForAMessage) {
  std::atomic<int> given_up{0};
  Clock::duration took{};
  const auto thrown = run(2, [&](Group& group) {
    std::vector<int> memory(1000);
    std::thread other;
    try {
      run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
        if (group.rank() == 1) {
          while (given_up.load() == 0) std::this_thread::sleep_for(milliseconds(5));
          return;
        }
        const std::array transfers = {receive_from(1, lend(collective, memory), 4000)};
        const Ticket ticket = collective.start(transfers);
        other = std::thread([&] {
          std::this_thread::sleep_for(milliseconds(100));
          group.interrupt("enough");
        });
        const Clock::time_point begin = Clock::now();
        try {
          collective.wait(ticket);
        } catch (...) {
          took = Clock::now() - begin - milliseconds(100);
          throw;
        }
      });
    } catch (...) {
      if (other.joinable()) other.join();
      ++given_up;
      throw;
    }
  });
  EXPECT_LT(took, kPromptly);
  EXPECT_EQ(error_of(thrown[0]).status(), LVX_INTERRUPTED) << error_of(thrown[0]).what();
}

TEST_P(Interrupts, DoNothingBetweenOperations) {
  for (const auto& thrown : run(2, [](Group& group) {
         for (int i = 0; i < 20; ++i) {
           group.interrupt("too early");
           group.barrier();
           group.interrupt("too late");
         }
         EXPECT_FALSE(group.failed());
       })) {
    EXPECT_FALSE(thrown) << error_of(thrown).what();
  }
}

// Interrupts at any moment: the rank is interrupted or not, and its peers name nobody else.
TEST_P(Interrupts, RaceWithOperations) {
  std::mt19937_64 random(seeded(61));
  int ended = 0;
  for (int round = 0; round < 20; ++round) {
    const int pause = std::uniform_int_distribution<>(0, 2000)(random);
    std::atomic<bool> over{false};
    const auto thrown = run(3, [&](Group& group) {
      std::thread other;
      if (group.rank() == 0) {
        other = std::thread([&group, &over, pause] {
          std::this_thread::sleep_for(std::chrono::microseconds(pause));
          while (!over) {
            group.interrupt("now");
            std::this_thread::yield();
          }
        });
      }
      std::exception_ptr failure;
      try {
        for (int i = 0; i < 300; ++i) group.barrier();
      } catch (...) {
        failure = std::current_exception();
      }
      if (group.rank() == 0) {
        over = true;
        other.join();
      }
      if (failure) std::rethrow_exception(failure);
    });
    if (!thrown[0]) continue;
    ++ended;
    EXPECT_EQ(error_of(thrown[0]).status(), LVX_INTERRUPTED) << error_of(thrown[0]).what();
    for (const int rank : {1, 2}) {
      const Error error = error_of(thrown[static_cast<std::size_t>(rank)]);
      // A rank may have made its last call before rank 0's ended.
      if (error.status() == LVX_OK) continue;
      EXPECT_EQ(error.status(), LVX_PEER_LOST) << error.what();
      EXPECT_EQ(error.peer(), 0) << error.what();
    }
  }
  EXPECT_GT(ended, 0);
}

TEST(InterruptedJoin, EndsPromptly) {
  const JoinOptions options = {.host = "127.0.0.1", .timeout_seconds = 60};
  const auto mine = begin_gloo(1, 2, options);
  const auto theirs = begin_gloo(0, 2, {.host = "127.0.0.1", .timeout_seconds = 60});  // listens only
  const std::vector addresses = {theirs->address(), mine->address()};
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(100));
    options.interruption->set("enough");
  });
  const Clock::time_point begin = Clock::now();
  try {
    mine->connect(addresses, make_cpu_device({.threads = 1}));
    ADD_FAILURE() << "it connected";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), LVX_INTERRUPTED) << error.what();
    EXPECT_STREQ(error.what(), "interrupted while it waited for rank 0: enough");
  }
  EXPECT_LT(Clock::now() - begin, milliseconds(100) + kPromptly);
  other.join();
}

#if LVX_HAS_MPI
// Run only by mpirun, as one rank of two. Rank 1 says nothing until rank 0 has left; then both end without MPI's shutdown, which
// a broken job cannot do in order.
TEST(InterruptedMpiRank, DISABLED_LeavesPromptly) {
  const bool in_transfer = std::string(told_to_rank()) == "transfer";
  std::vector<int> memory(1 << 20);
  const auto group = std::make_unique<Group>(join_mpi(30), make_cpu_device({.threads = 1}), GroupOptions{});
  group->barrier();
  if (group->rank() == 1) {
    if (in_transfer) {
      EXPECT_THROW(
          run_collective(*group, {}, LVX_QUERY_RING, nullptr,
                         [&](Collective& collective) {
                           std::this_thread::sleep_for(std::chrono::seconds(2));
                           const std::array transfers = {receive_from(0, lend(collective, memory), 4 << 20)};
                           collective.wait(collective.start(transfers));
                         }),
          Error);
    } else {
      std::this_thread::sleep_for(std::chrono::seconds(2));
      EXPECT_THROW(group->barrier(), Error);
    }
    return;
  }
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(200));
    group->interrupt("enough");
  });
  const Clock::time_point begin = Clock::now();
  try {
    run_collective(*group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
      // A large message, which its receiver would read from this rank's memory.
      const std::array transfers = {send_to(1, lend(collective, memory), 4 << 20)};
      collective.wait(collective.start(transfers));
    });
    ADD_FAILURE() << "it was not interrupted";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), LVX_INTERRUPTED) << error.what();
    EXPECT_STREQ(error.what(), "interrupted while it waited for rank 1: enough");
  }
  EXPECT_LT(Clock::now() - begin, milliseconds(200) + kPromptly);
  other.join();
}

TEST(InterruptedMpiJob, LeavesPromptly) {
  if (!has_mpirun()) GTEST_SKIP() << "no mpirun on the PATH (Debian: openmpi-bin)";
  for (const char* where : {"announcement", "transfer"}) {
    expect_all_passed(run_job(2, where, "InterruptedMpiRank.DISABLED_LeavesPromptly"), 2);
  }
}
#endif

}  // namespace
}  // namespace lvx::test
