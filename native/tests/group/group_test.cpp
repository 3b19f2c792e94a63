// SPDX-License-Identifier: Apache-2.0
// Ranks that exchange messages, disagree, leave and stall, as threads and over real connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <list>
#include <numeric>
#include <random>

#include "support/gloo_ranks.h"
#include "support/local_ranks.h"
#include "support/nccl_ranks.h"

namespace lvx::test {
namespace {

using std::chrono::milliseconds;

Announcement forward_of(std::int64_t head_dim) {
  Announcement mine;
  mine.operation = Operation::kForward;
  mine.head_dim = head_dim;
  return mine;
}

std::span<std::byte> bytes_of(std::vector<int>& values) { return std::as_writable_bytes(std::span(values)); }

enum class Backend { kLocal, kGloo, kNccl, kNcclStreams, kNcclById };

class EveryGroup : public testing::TestWithParam<Backend> {
 protected:
  static std::vector<std::exception_ptr> run(int size, const GroupOptions& options, const RankBody& body) {
    switch (GetParam()) {
      case Backend::kGloo:
        return run_gloo_ranks(size, options, body);
      case Backend::kNccl:
        return run_nccl_ranks(size, options, body);
      case Backend::kNcclStreams:
        return run_nccl_ranks(size, options, body, {.streams = true});
      case Backend::kNcclById:
        return run_nccl_ranks(size, options, body, {.streams = true, .by_id = true});
      default:
        return run_ranks(size, options, body);
    }
  }
  static void run_well(int size, const RankBody& body) {
    for (const std::exception_ptr& thrown : run(size, {}, body)) {
      if (thrown) std::rethrow_exception(thrown);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Local, EveryGroup, testing::Values(Backend::kLocal));
INSTANTIATE_TEST_SUITE_P(Gloo, EveryGroup, testing::Values(Backend::kGloo));
INSTANTIATE_TEST_SUITE_P(Nccl, EveryGroup,
                         testing::Values(Backend::kNccl, Backend::kNcclStreams, Backend::kNcclById));

// Each rank sends numbers to all others, in several rounds with messages of different lengths.
TEST_P(EveryGroup, DeliversEveryMessageInOrder) {
  for (const int size : {2, 3, 5, 8}) {
    run_well(size, [&](Group& group) {
      std::list<std::vector<std::vector<int>>> messages;
      run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
        for (int round = 0; round < 20; ++round) {
          std::vector<std::vector<int>>& out = messages.emplace_back();
          std::vector<std::vector<int>>& in = messages.emplace_back();
          std::vector<Transfer> transfers;
          for (int peer = 0; peer < size; ++peer) {
            out.emplace_back(static_cast<std::size_t>(1 + round * 7 + peer),
                             collective.rank() * 1000 + round);
            in.emplace_back(static_cast<std::size_t>(1 + round * 7 + collective.rank()));
          }
          for (int peer = 0; peer < size; ++peer) {
            if (peer == collective.rank()) continue;
            const auto slot = static_cast<std::size_t>(peer);
            transfers.push_back(send_to(peer, lend(collective, out[slot]), bytes_of(out[slot]).size()));
            transfers.push_back(receive_from(peer, lend(collective, in[slot]), bytes_of(in[slot]).size()));
          }
          collective.wait(collective.start(transfers));
          for (int peer = 0; peer < size; ++peer) {
            if (peer == collective.rank()) continue;
            for (const int value : in[static_cast<std::size_t>(peer)]) ASSERT_EQ(value, peer * 1000 + round);
          }
        }
      });
    });
  }
}

TEST_P(EveryGroup, CountsPayloadApartFromControl) {
  run_well(3, [](Group& group) {
    lvx_statistics statistics{};
    statistics.struct_size = sizeof(statistics);
    std::vector<int> out(5, group.rank());
    std::vector<int> in(5);
    run_collective(group, {}, LVX_QUERY_RING, &statistics, [&](Collective& collective) {
      const std::array transfers = {send_to((collective.rank() + 1) % 3, lend(collective, out), 20),
                                    receive_from((collective.rank() + 2) % 3, lend(collective, in), 20)};
      collective.wait(collective.start(transfers));
    });
    EXPECT_EQ(statistics.bytes_sent, 20u);
    EXPECT_EQ(statistics.messages_sent, 1u);
    EXPECT_EQ(statistics.bytes_received, 20u);
    EXPECT_EQ(statistics.control_messages_sent, 2u);
    EXPECT_EQ(statistics.control_bytes_sent, 2 * sizeof(Announcement));
  });
}

TEST_P(EveryGroup, BarrierHoldsUntilAllHaveCome) {
  std::atomic<int> arrived{0};
  run_well(4, [&](Group& group) {
    std::this_thread::sleep_for(milliseconds(10 * group.rank()));
    ++arrived;
    group.barrier();
    EXPECT_EQ(arrived.load(), 4);
  });
}

TEST_P(EveryGroup, AllGatherGivesEveryRankWhatAllSaid) {
  run_well(3, [](Group& group) {
    const std::array<std::int64_t, 2> mine = {group.rank() * 10, group.rank() * 10 + 1};
    std::array<std::int64_t, 6> all{};
    group.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
    EXPECT_EQ(all, (std::array<std::int64_t, 6>{0, 1, 10, 11, 20, 21}));
  });
}

TEST_P(EveryGroup, NamesTheRankThatCalledSomethingElseAndStaysUsable) {
  std::atomic<int> mismatches{0};
  run_well(3, [&](Group& group) {
    try {
      if (group.rank() == 1) {
        group.barrier();
      } else {
        run_collective(group, forward_of(64), LVX_QUERY_RING, nullptr, [](Collective&) {});
      }
      ADD_FAILURE() << "rank " << group.rank() << " saw no mismatch";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), LVX_PEER_MISMATCH);
      EXPECT_EQ(error.peer(), group.rank() == 1 ? 0 : 1);
      EXPECT_NE(std::string(error.what()).find("barrier"), std::string::npos) << error.what();
      ++mismatches;
    }
    group.barrier();
  });
  EXPECT_EQ(mismatches.load(), 3);
}

TEST_P(EveryGroup, ComparesShapesBeforeDataMoves) {
  run_well(2, [](Group& group) {
    try {
      run_collective(group, forward_of(group.rank() == 0 ? 64 : 128), LVX_QUERY_RING, nullptr,
                     [](Collective&) {});
      ADD_FAILURE() << "no mismatch";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), LVX_PEER_MISMATCH);
      EXPECT_NE(std::string(error.what()).find("head dim"), std::string::npos) << error.what();
    }
    group.barrier();
  });
}

TEST_P(EveryGroup, DeclinedCallsEndAtOnceEverywhere) {
  const auto begin = Clock::now();
  run_well(3, [](Group& group) {
    if (group.rank() == 2) {
      for (int call = 0; call < 5; ++call) group.decline(Operation::kForward, "k: wrong dtype", "k");
    } else {
      for (int call = 0; call < 5; ++call) {
        try {
          run_collective(group, forward_of(64), LVX_QUERY_RING, nullptr, [](Collective&) {});
          ADD_FAILURE() << "the call took place";
        } catch (const Error& error) {
          EXPECT_EQ(error.peer(), 2);
          EXPECT_EQ(error.argument(), "k");
          EXPECT_NE(std::string(error.what()).find(": k: wrong dtype"), std::string::npos) << error.what();
        }
      }
    }
    group.barrier();
  });
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(30)) << "the default is 60 s";
}

TEST_P(EveryGroup, RankThatLeavesIsNamed) {
  const auto thrown = run(4, {}, [](Group& group) {
    if (group.rank() == 2) return;
    group.barrier();
  });
  for (const int rank : {0, 1, 3}) {
    const Error error = error_of(thrown[static_cast<std::size_t>(rank)]);
    EXPECT_EQ(error.status(), LVX_PEER_LOST) << "rank " << rank;
    EXPECT_EQ(error.peer(), 2) << error.what();
  }
}

// One rank throws in the middle of a ring of transfers. All other ranks get an error that names it.
TEST_P(EveryGroup, RankThatFailsIsNamedByAll) {
  const int size = 5;
  const auto thrown = run(size, {}, [&](Group& group) {
    std::vector<int> out(1000, group.rank());
    std::vector<int> in(1000);
    run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
      for (int step = 0; step < 10; ++step) {
        if (step == 4 && collective.rank() == 3) throw Error(LVX_DEVICE_ERROR, "the device burnt down");
        const std::array transfers = {
            send_to((collective.rank() + 1) % size, lend(collective, out), 4000),
            receive_from((collective.rank() + size - 1) % size, lend(collective, in), 4000)};
        collective.wait(collective.start(transfers));
      }
    });
  });
  EXPECT_EQ(error_of(thrown[3]).status(), LVX_DEVICE_ERROR);
  for (const int rank : {0, 1, 2, 4}) {
    const Error error = error_of(thrown[static_cast<std::size_t>(rank)]);
    EXPECT_EQ(error.status(), LVX_PEER_LOST) << "rank " << rank;
    EXPECT_EQ(error.peer(), 3) << "rank " << rank << ": " << error.what();
    EXPECT_NE(std::string(error.what()).find("burnt down"), std::string::npos) << error.what();
  }
}

TEST_P(EveryGroup, StalledRankIsNamedByAllWithinTheTimeout) {
  const int size = 4;
  GroupOptions options;
  options.timeout_seconds = 1;
  std::atomic<int> done{0};
  const auto begin = Clock::now();
  const auto thrown = run(size, options, [&](Group& group) {
    std::vector<int> out(10, group.rank());
    std::vector<int> in(10);
    try {
      run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
        if (collective.rank() == 1) {
          while (done.load() < size - 1) std::this_thread::sleep_for(milliseconds(5));
        }
        const std::array transfers = {
            send_to((collective.rank() + 1) % size, lend(collective, out), 40),
            receive_from((collective.rank() + size - 1) % size, lend(collective, in), 40)};
        // A second round makes rank 0 and 3 wait for ranks that wait themselves.
        collective.wait(collective.start(transfers));
        collective.wait(collective.start(transfers));
      });
    } catch (...) {
      ++done;
      throw;
    }
  });
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(30)) << "the default is 60 s";
  for (const int rank : {0, 2, 3}) {
    const Error error = error_of(thrown[static_cast<std::size_t>(rank)]);
    EXPECT_TRUE(error.status() == LVX_TIMEOUT || error.status() == LVX_PEER_LOST) << error.what();
    EXPECT_EQ(error.peer(), 1) << "rank " << rank << ": " << error.what();
  }
}

TEST_P(EveryGroup, FailedGroupRefusesFurtherCallsAndANewOneWorks) {
  const auto thrown = run(2, {}, [](Group& group) {
    std::vector<std::byte> byte(1);
    try {
      run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
        if (collective.rank() == 0) throw Error(LVX_OUT_OF_MEMORY, "no memory");
        const std::array transfers = {receive_from(0, lend(collective, byte), 1)};
        collective.wait(collective.start(transfers));
      });
    } catch (const Error&) {
    }
    EXPECT_TRUE(group.failed());
    group.barrier();
  });
  for (const auto& error : thrown) EXPECT_EQ(error_of(error).status(), LVX_INVALID_STATE);
  run_well(2, [](Group& group) { group.barrier(); });
}

// A call's body releases its memory before the call is abandoned, so a peer could write into memory that is reused.
TEST_P(EveryGroup, RefusesTransfersOfMemoryThatMayNotOutliveThem) {
  const auto thrown = run(2, {}, [](Group& group) {
    run_collective(group, {}, LVX_QUERY_RING, nullptr, [](Collective& collective) {
      std::vector<std::byte> own(64);
      collective.allocate(32);
      const std::array transfers = {collective.rank() == 0 ? send_to(1, own.data(), 64)
                                                           : receive_from(0, own.data(), 64)};
      collective.wait(collective.start(transfers));
    });
  });
  for (const auto& one : thrown) EXPECT_EQ(error_of(one).status(), LVX_INTERNAL) << error_of(one).what();
}

TEST_P(EveryGroup, RefusesToEndACallBeforeItsTransfers) {
  const auto thrown = run(2, {}, [](Group& group) {
    run_collective(group, {}, LVX_QUERY_RING, nullptr, [](Collective& collective) {
      std::byte* const memory = collective.allocate(8);
      const std::array transfers = {collective.rank() == 0 ? send_to(1, memory, 8)
                                                           : receive_from(0, memory, 8)};
      collective.start(transfers);
    });
  });
  // The slower rank may learn that the other has left, and why, before it makes its own mistake.
  int own_mistakes = 0;
  for (const auto& one : thrown) {
    if (error_of(one).status() == LVX_INTERNAL) {
      ++own_mistakes;
    } else {
      EXPECT_EQ(error_of(one).status(), LVX_PEER_LOST) << error_of(one).what();
    }
    EXPECT_THAT(error_of(one).what(),
                testing::HasSubstr("a schedule ends before transfers that it has started"));
  }
  EXPECT_GE(own_mistakes, 1);
}

// The thrown object may be of any type.
TEST_P(EveryGroup, RankThatThrowsAnythingIsNamed) {
  const auto thrown = run(2, {}, [](Group& group) {
    run_collective(group, {}, LVX_QUERY_RING, nullptr, [](Collective& collective) {
      std::byte* const memory = collective.allocate(8);
      if (collective.rank() == 1) throw 7;
      const std::array transfers = {receive_from(1, memory, 8)};
      collective.wait(collective.start(transfers));
    });
  });
  EXPECT_EQ(error_of(thrown[0]).status(), LVX_PEER_LOST);
  EXPECT_EQ(error_of(thrown[0]).peer(), 1);
  EXPECT_THROW(std::rethrow_exception(thrown[1]), int);
}

TEST(LocalGroup, WorldRefusesTakenForeignAndLateRanks) {
  const auto world = make_local_world(2, {});
  const auto first = world->join(0);
  EXPECT_THROW(world->join(0), Error);
  EXPECT_THROW(world->join(2), Error);
  EXPECT_THROW(world->join(-1), Error);
  world->close();
  EXPECT_THROW(world->join(1), Error);
}

TEST_P(EveryGroup, RecorderKeepsTheNewestOperations) {
  GroupOptions options;
  options.recorder_entries = 4;
  for (const auto& thrown : run(2, options, [](Group& group) {
         for (int i = 0; i < 10; ++i) group.barrier();
         std::array<lvx_record, 8> records{};
         ASSERT_EQ(group.recorder().copy(records), 4u);
         for (std::size_t i = 0; i < 4; ++i) {
           EXPECT_EQ(records[i].sequence, 7 + i);
           EXPECT_STREQ(records[i].operation, "barrier");
           EXPECT_EQ(records[i].state, 1);
         }
       })) {
    EXPECT_FALSE(thrown);
  }
}

}  // namespace
}  // namespace lvx::test
