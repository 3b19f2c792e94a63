// SPDX-License-Identifier: Apache-2.0
// The behaviour of NCCL groups when NCCL fails, when a rank is late, and when foreign processes connect. group_test.cpp tests the
// behaviour of all groups.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "group/tcp/rank_address.h"
#include "group/tcp/socket.h"
#include "support/nccl_ranks.h"
#include "support/open_things.h"

namespace lvx::test {
namespace {

using std::chrono::seconds;

constexpr int kRanks = 3;
constexpr double kTimeout = 1.5;

// Every rank sends to the next rank, many times.
void ring(Group& group) {
  std::vector<int> out(1000, group.rank());
  std::vector<int> in(1000);
  run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
    for (int step = 0; step < 10; ++step) {
      const std::array transfers = {
          send_to((collective.rank() + 1) % kRanks, lend(collective, out), 4000),
          receive_from((collective.rank() + kRanks - 1) % kRanks, lend(collective, in), 4000)};
      collective.wait(collective.start(transfers));
    }
  });
}

class NcclFaults : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    run_nccl_ranks(2, {}, [](Group& group) { group.barrier(); });  // creates what exists once per process
    before_ = OpenThings::settled();
  }
  // Whatever happened, no threads or file descriptors are left over, and a new group works.
  void TearDown() override {
    EXPECT_EQ(live_communicators(), 0);
    expect_open(before_);
    for (const auto& thrown : run_nccl_ranks(kRanks, {}, ring, {.streams = GetParam()})) {
      EXPECT_EQ(error_of(thrown).status(), LVX_OK) << error_of(thrown).what();
    }
  }

  static std::vector<Error> run(const std::string& fault, NcclWay way = {}) {
    const InjectedFault injected(fault);
    GroupOptions options;
    options.timeout_seconds = kTimeout;
    way.streams = GetParam();
    const auto begin = Clock::now();
    std::vector<Error> errors;
    for (const auto& thrown : run_nccl_ranks(kRanks, options, ring, way, kTimeout)) {
      errors.push_back(error_of(thrown));
    }
    EXPECT_LT(Clock::now() - begin, seconds(30)) << fault << ": the default is 60 s";
    return errors;
  }

  // Rank 1 reports what has failed; the others report that rank 1 failed.
  static void expect_named(const std::vector<Error>& errors, lvx_status status, const std::string& text) {
    EXPECT_EQ(errors[1].status(), status) << errors[1].what();
    EXPECT_NE(std::string(errors[1].what()).find(text), std::string::npos) << errors[1].what();
    for (const int rank : {0, 2}) {
      const Error& error = errors[static_cast<std::size_t>(rank)];
      EXPECT_EQ(error.status(), LVX_PEER_LOST) << "rank " << rank << ": " << error.what();
      EXPECT_EQ(error.peer(), 1) << "rank " << rank << ": " << error.what();
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
  }

 private:
  OpenThings before_;
};

INSTANTIATE_TEST_SUITE_P(Host, NcclFaults, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Streams, NcclFaults, testing::Values(true));

TEST_P(NcclFaults, ACallThatReturnsAnErrorIsSaidByItsNameToAll) {
  expect_named(run("ncclGroupEnd:1:3:2"), LVX_INTERNAL, "ncclGroupEnd: NCCL: unhandled system error");
  expect_named(run("ncclSend:1:4:1"), LVX_DEVICE_ERROR, "ncclSend: NCCL: unhandled cuda error");
  expect_named(run("ncclRecv:1:0:4"), LVX_INTERNAL, "ncclRecv: NCCL: invalid argument");
  expect_named(run("ncclCommGetAsyncError:1:12:3"), LVX_INTERNAL,
               "ncclCommGetAsyncError: NCCL: internal error");
}

TEST_P(NcclFaults, AnAsynchronousErrorEndsTheCallEverywhere) {
  expect_named(run("async:1:5:3"), LVX_INTERNAL, "asynchronous error: NCCL: internal error");
  expect_named(run("async:1:0:1"), LVX_DEVICE_ERROR, "asynchronous error: NCCL: unhandled cuda error");
}

TEST_P(NcclFaults, ARankThatCannotBeginToJoinIsNamed) {
  expect_named(run("ncclCommInitRankConfig:1:0:2"), LVX_INTERNAL,
               "ncclCommInitRankConfig: NCCL: unhandled system error");
}

// All processes are alive and answer, and NCCL does not report the culprit, so the error names no rank.
TEST_P(NcclFaults, ConnectionsThatBreakEndTheCallEverywhere) {
  for (const Error& error : run("lost:1:4:0")) EXPECT_EQ(error.status(), LVX_PEER_LOST) << error.what();
}

TEST_P(NcclFaults, ATransferThatNeverEndsMeetsTheTimeout) {
  for (const Error& error : run("stall:1:4:0")) {
    EXPECT_TRUE(error.status() == LVX_TIMEOUT || error.status() == LVX_PEER_LOST) << error.what();
  }
}

TEST_P(NcclFaults, NcclThatDoesNotConnectMeetsTheTimeout) {
  for (const bool by_id : {false, true}) {
    for (const Error& error : run("join:1:0:0", {.by_id = by_id})) {
      EXPECT_TRUE(error.status() == LVX_TIMEOUT || error.status() == LVX_PEER_LOST) << error.what();
    }
  }
}

TEST_P(NcclFaults, AFailureBeforeTheSideChannelEndsEveryRank) {
  const std::vector<Error> errors = run("ncclAllGather:1:0:3", {.by_id = true});
  EXPECT_EQ(errors[1].status(), LVX_INTERNAL) << errors[1].what();
  for (const Error& error : errors) EXPECT_NE(error.status(), LVX_OK);
}

TEST_P(NcclFaults, ARankThatDoesNotComeIsNamed) {
  std::vector<std::unique_ptr<Bootstrap>> bootstraps;
  std::vector<std::span<const std::byte>> addresses;
  for (int rank = 0; rank < kRanks; ++rank) {
    bootstraps.push_back(begin_nccl(rank, kRanks, {.host = "127.0.0.1", .timeout_seconds = kTimeout}));
    addresses.push_back(bootstraps.back()->address());
  }
  const auto thrown = run_nccl_threads(
      kRanks, GetParam(), {},
      [&](int rank, const auto& device) {
        if (rank == 1) throw Error(LVX_OK, "stays away");
        return bootstraps[static_cast<std::size_t>(rank)]->connect(addresses, device);
      },
      ring);
  for (const std::size_t rank : {0, 2}) {
    EXPECT_EQ(error_of(thrown[rank]).status(), LVX_TIMEOUT) << error_of(thrown[rank]).what();
    EXPECT_EQ(error_of(thrown[rank]).peer(), 1) << error_of(thrown[rank]).what();
  }
}

TEST_P(NcclFaults, ARankThatDoesNotComeMeetsTheTimeoutOfAnId) {
  const NcclId id = new_nccl_id();
  const auto thrown = run_nccl_threads(
      kRanks, GetParam(), {},
      [&](int rank, const auto& device) {
        if (rank == 1) throw Error(LVX_OK, "stays away");
        return join_nccl(id, rank, kRanks, {.host = "127.0.0.1", .timeout_seconds = kTimeout}, device);
      },
      ring);
  for (const std::size_t rank : {0, 2}) {
    EXPECT_EQ(error_of(thrown[rank]).status(), LVX_TIMEOUT) << error_of(thrown[rank]).what();
    EXPECT_EQ(error_of(thrown[rank]).peer(), -1);
  }
}

RankAddress address_of(const Bootstrap& bootstrap) {
  RankAddress address;
  std::memcpy(&address, bootstrap.address().data(), sizeof(address));
  return address;
}

Error connect_error(Bootstrap& bootstrap, const std::vector<std::span<const std::byte>>& addresses) {
  const std::shared_ptr<Device> device = make_cpu_device({.threads = 1});
  try {
    bootstrap.connect(addresses, device);
  } catch (const Error& error) {
    return error;
  }
  return Error(LVX_OK, "");
}

TEST(NcclBootstrap, RefusesWhatIsNoAddressOfTheGroup) {
  live_communicators();
  const auto expect_refused = [](auto spoil, const char* text) {
    const auto bootstrap = begin_nccl(0, 2, {.host = "127.0.0.1", .timeout_seconds = 1});
    const auto other = begin_nccl(1, 2, {.host = "127.0.0.1", .timeout_seconds = 1});
    RankAddress address = address_of(*other);
    spoil(address);
    std::vector<std::byte> spoilt(other->address().begin(), other->address().end());
    std::memcpy(spoilt.data(), &address, sizeof(address));
    const Error error = connect_error(*bootstrap, {bootstrap->address(), spoilt});
    EXPECT_EQ(error.status(), LVX_INVALID_ARGUMENT) << text;
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  };
  expect_refused([](RankAddress& address) { address.magic[0] = 'x'; }, "rank 1: these bytes are no address");
  expect_refused([](RankAddress& address) { address.rank = 0; }, "it says rank 0 of 2, expected rank 1 of 2");
  expect_refused([](RankAddress& address) { address.size = 3; }, "it says rank 1 of 3");
  expect_refused([](RankAddress& address) { address.version[0] = '9'; }, "it runs version 9");

  const auto bootstrap = begin_nccl(0, 2, {.host = "127.0.0.1", .timeout_seconds = 1});
  const auto shorter = bootstrap->address().first(8);
  EXPECT_NE(std::string(connect_error(*bootstrap, {bootstrap->address(), shorter}).what()).find("got 8"),
            std::string::npos);
  EXPECT_EQ(connect_error(*bootstrap, {bootstrap->address(), shorter}).status(), LVX_INVALID_STATE);
  EXPECT_THROW(begin_nccl(0, 2, {.host = "192.0.2.1", .timeout_seconds = 1}), Error)
      << "an address of no machine";
}

// Foreign processes may connect to the port; the ranks must still find each other.
TEST(NcclBootstrap, ForeignConnectionsAreRejected) {
  live_communicators();
  std::vector<std::unique_ptr<Bootstrap>> bootstraps;
  std::vector<std::span<const std::byte>> addresses;
  std::vector<Socket> foreign;
  for (int rank = 0; rank < kRanks; ++rank) {
    bootstraps.push_back(begin_nccl(rank, kRanks, {.host = "127.0.0.1", .timeout_seconds = 20}));
    addresses.push_back(bootstraps.back()->address());
    RankAddress address = address_of(*bootstraps.back());
    const auto until = Clock::now() + seconds(30);
    foreign.push_back(Socket::connecting(address.socket));
    const std::vector<std::byte> noise(rank == 0 ? 0 : 4096, std::byte{0x47});
    EXPECT_TRUE(foreign.back().send_all(noise, until));
  }
  for (const auto& thrown : run_nccl_threads(
           kRanks, false, {},
           [&](int rank, const auto&device) {
             return bootstraps[static_cast<std::size_t>(rank)]->connect(addresses, device);
           },
           ring)) {
    EXPECT_EQ(error_of(thrown).status(), LVX_OK) << error_of(thrown).what();
  }
}

}  // namespace
}  // namespace lvx::test
