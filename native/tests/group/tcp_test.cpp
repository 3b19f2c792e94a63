// SPDX-License-Identifier: Apache-2.0
// Messages over TCP that are slow, delayed, corrupted or of unexpected length.
#include <gtest/gtest.h>

#include <cstring>
#include <list>
#include <numeric>
#include <random>

#include "support/seed.h"
#include "support/tcp_pairs.h"

namespace lvx::test {
namespace {

using std::chrono::milliseconds;

// Rank 0 sends to rank 1, once or repeatedly.
RankBody sending(std::size_t bytes, int times = 1) {
  return [=](Group& group) {
    std::vector<std::byte> data(bytes);
    for (int i = 0; i < times; ++i) {
      run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
        if (collective.rank() == 0) {
          std::mt19937_64 random(seeded(static_cast<std::uint64_t>(i)));
          for (std::byte& byte : data) byte = static_cast<std::byte>(random());
          const std::array out = {send_to(1, lend(collective, data), data.size())};
          collective.wait(collective.start(out));
        } else if (collective.rank() == 1) {
          const std::array in = {receive_from(0, lend(collective, data), data.size())};
          collective.wait(collective.start(in));
          std::mt19937_64 random(seeded(static_cast<std::uint64_t>(i)));
          for (const std::byte byte : data) ASSERT_EQ(byte, static_cast<std::byte>(random()));
        }
      });
    }
  };
}

GroupOptions within(double seconds) {
  GroupOptions options;
  options.timeout_seconds = seconds;
  return options;
}

void expect_all_well(const std::vector<std::exception_ptr>& thrown) {
  for (const auto& error : thrown) EXPECT_EQ(error_of(error).status(), LVX_OK) << error_of(error).what();
}

// 4 KiB in 20 ms: a transfer of 2 s or more, with a timeout of half a second.
TEST(TcpLinks, ASlowLinkIsWaitedForWhileBytesFlow) {
  const CarriedWay slow{TcpFabric::kData, 0, 1, [](std::span<std::byte>) { return 20; }};
  const auto begin = Clock::now();
  expect_all_well(run_carried_ranks(2, within(0.5), true, {slow}, sending(400 << 10)));
  EXPECT_GT(Clock::now() - begin, std::chrono::seconds(1)) << "the link was not slow";
}

// The ranks behind the slow link also wait, for ranks that wait for bytes that are moving.
TEST(TcpLinks, RanksThatWaitForARankBehindASlowLinkWait) {
  const CarriedWay slow{TcpFabric::kData, 0, 1, [](std::span<std::byte>) { return 20; }};
  expect_all_well(run_carried_ranks(4, within(0.5), true, {slow}, [&](Group& group) {
    sending(400 << 10)(group);
    group.barrier();
  }));
}

// Bytes move, then stop. The error names the rank behind the link, within one timeout after the last byte.
TEST(TcpLinks, ALinkOnWhichNothingMovesAnyMoreIsNotWaitedFor) {
  std::atomic<int> parts{0};
  const CarriedWay stalled{TcpFabric::kData, 0, 1,
                           [&](std::span<std::byte>) { return ++parts < 20 ? 5 : 6000; }};
  std::array<Clock::duration, 2> waited{};
  const auto thrown = run_carried_ranks(2, within(0.5), true, {stalled}, [&](Group& group) {
    const auto begin = Clock::now();
    try {
      sending(400 << 10)(group);
    } catch (...) {
      waited[static_cast<std::size_t>(group.rank())] = Clock::now() - begin;
      throw;
    }
  });
  for (const std::size_t rank : {0, 1}) {
    EXPECT_LT(waited[rank], std::chrono::seconds(5));
    // Each waits for the other. The rank that has waited longer reports the timeout and leaves.
    const Error error = error_of(thrown[rank]);
    EXPECT_TRUE(error.status() == LVX_TIMEOUT || error.status() == LVX_PEER_LOST) << error.what();
    EXPECT_EQ(error.peer(), 1 - static_cast<int>(rank)) << error.what();
  }
}

// Swaps two different 16-bit words, once, in the middle of the data. TCP's checksum cannot detect this.
OnTheWay swapping(std::atomic<int>& left, int part) {
  return [&left, part, seen = std::make_shared<int>(0)](std::span<std::byte> bytes) {
    if (++*seen < part || left.load() == 0 || bytes.size() < 64) return 0;
    for (std::size_t at = 32; at + 4 <= bytes.size(); at += 4) {
      if (std::memcmp(&bytes[at], &bytes[at + 2], 2) == 0) continue;
      std::swap_ranges(&bytes[at], &bytes[at] + 2, &bytes[at] + 2);
      --left;
      break;
    }
    return 0;
  };
}

TEST(TcpLinks, DamageThatTcpMissesIsAnErrorThatNamesTheRank) {
  for (const TcpFabric::Lane lane : {TcpFabric::kControl, TcpFabric::kData}) {
    std::atomic<int> damages{1};
    const CarriedWay damaged{lane, 0, 1, swapping(damages, 3)};
    const auto thrown = run_carried_ranks(2, within(20), true, {damaged}, sending(100000, 50));
    EXPECT_EQ(damages.load(), 0);
    const Error first = error_of(thrown[0]), second = error_of(thrown[1]);
    EXPECT_EQ(first.status(), LVX_PEER_LOST) << first.what();
    EXPECT_EQ(second.status(), LVX_PEER_LOST) << second.what();
    EXPECT_NE((std::string(first.what()) + second.what()).find("checksum"), std::string::npos)
        << first.what() << "; " << second.what();
    if (lane == TcpFabric::kData) {
      EXPECT_EQ(second.peer(), 0);
      EXPECT_NE(std::string(second.what()).find("rank 0"), std::string::npos) << second.what();
    }
  }
}

// Shows that the test above tests checksums: without them, the corrupted data arrives.
TEST(TcpLinks, WithoutChecksumsDamageArrives) {
  std::atomic<int> damages{1};
  const CarriedWay damaged{TcpFabric::kData, 0, 1, swapping(damages, 3)};
  std::atomic<int> different{0};
  expect_all_well(run_carried_ranks(2, within(20), false, {damaged}, [&](Group& group) {
    std::vector<int> data(50000);
    run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
      if (collective.rank() == 0) {
        std::iota(data.begin(), data.end(), 1 << 20);
        const std::array out = {send_to(1, lend(collective, data), 200000)};
        collective.wait(collective.start(out));
      } else {
        const std::array in = {receive_from(0, lend(collective, data), 200000)};
        collective.wait(collective.start(in));
        for (int i = 0; i < 50000; ++i) different += data[static_cast<std::size_t>(i)] != (1 << 20) + i;
      }
    });
  }));
  EXPECT_GT(different.load(), 0);
}

TEST(TcpLinks, MessagesOfAnotherLengthAreAnError) {
  for (const bool checksums : {true, false}) {
    const auto thrown = run_carried_ranks(2, within(20), checksums, {}, [](Group& group) {
      std::vector<std::byte> data(5000);
      run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
        if (collective.rank() == 0) {
          const std::array out = {send_to(1, lend(collective, data), 5000)};
          collective.wait(collective.start(out));
        } else {
          const std::array in = {receive_from(0, lend(collective, data), 4000)};
          collective.wait(collective.start(in));
        }
      });
    });
    const Error error = error_of(thrown[1]);
    EXPECT_EQ(error.peer(), 0);
    EXPECT_NE(std::string(error.what()).find("4000"), std::string::npos) << error.what();
  }
}

// Messages that a rank sent before it left are delivered, even if its farewell arrives first and the receiver is late.
TEST(TcpLinks, WhatWasSentBeforeARankLeftArrives) {
  expect_all_well(run_carried_ranks(2, within(20), true, {}, [](Group& group) {
    std::vector<std::byte> data(300000, std::byte{7});
    run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
      if (collective.rank() == 0) {
        const std::array out = {send_to(1, lend(collective, data), data.size())};
        collective.wait(collective.start(out));
      } else {
        std::this_thread::sleep_for(milliseconds(600));
        std::fill(data.begin(), data.end(), std::byte{0});
        const std::array in = {receive_from(0, lend(collective, data), data.size())};
        collective.wait(collective.start(in));
        EXPECT_EQ(std::count(data.begin(), data.end(), std::byte{7}), 300000);
      }
    });
  }));
}

// A rank may leave as soon as it has all messages. A farewell before the acknowledgement would tell the sender that its
// message was not received.
TEST(TcpLinks, AMessageIsAcknowledgedBeforeItsReceiverMayLeave) {
  std::array<Socket, 2> ends = tcp_pair();
  const auto connections_to = [](int peer, Socket socket) {
    std::vector<Socket> connections(2);
    connections[static_cast<std::size_t>(peer)] = std::move(socket);
    return connections;
  };
  std::atomic<bool> acknowledged{false};
  Mailbox of_sender(0, 2);
  Mailbox of_receiver(1, 2);
  DataChannel sender(0, connections_to(1, std::move(ends[0])), true, [](int, std::uint64_t) {});
  DataChannel receiver(1, connections_to(0, std::move(ends[1])), true, [&](int, std::uint64_t) {
    std::this_thread::sleep_for(milliseconds(200));  // a busy machine
    acknowledged = true;
  });
  sender.open(of_sender);
  receiver.open(of_receiver);
  std::vector<std::byte> out(1000, std::byte{7});
  std::vector<std::byte> in(out.size());
  const auto received = receiver.start({Transfer::Direction::kReceive, 0, in.data(), in.size()});
  const auto sent = sender.start({Transfer::Direction::kSend, 1, out.data(), out.size()});
  std::this_thread::sleep_for(milliseconds(50));  // so that the channel's own thread receives the message
  while (!received->finished()) {
  }
  EXPECT_TRUE(acknowledged);
  EXPECT_EQ(in, out);
}

// Both directions at once, with messages of all sizes, including empty ones.
TEST(TcpLinks, BothDirectionsCarryMessagesOfAllSizesInOrder) {
  expect_all_well(run_carried_ranks(3, within(60), true, {}, [](Group& group) {
    std::list<std::vector<std::vector<int>>> messages;
    run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
      std::mt19937 random(seeded(5));
      for (int round = 0; round < 40; ++round) {
        const std::size_t count = round % 5 == 0 ? random() % 2 : random() % (round % 7 == 0 ? 400000 : 3000);
        std::vector<std::vector<int>>& out = messages.emplace_back();
        std::vector<std::vector<int>>& in = messages.emplace_back();
        std::vector<Transfer> transfers;
        for (int peer = 0; peer < 3; ++peer) {
          out.emplace_back(count, collective.rank() * 1000 + round);
          in.emplace_back(count);
        }
        for (int peer = 0; peer < 3; ++peer) {
          if (peer == collective.rank()) continue;
          const auto slot = static_cast<std::size_t>(peer);
          transfers.push_back(send_to(peer, lend(collective, out[slot]), 4 * count));
          transfers.push_back(receive_from(peer, lend(collective, in[slot]), 4 * count));
        }
        collective.wait(collective.start(transfers));
        for (int peer = 0; peer < 3; ++peer) {
          if (peer == collective.rank()) continue;
          for (const int value : in[static_cast<std::size_t>(peer)]) ASSERT_EQ(value, peer * 1000 + round);
        }
      }
    });
  }));
}

}  // namespace
}  // namespace lvx::test
