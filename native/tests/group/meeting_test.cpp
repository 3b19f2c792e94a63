// SPDX-License-Identifier: Apache-2.0
// Ranks that connect in the presence of foreign connections, with different secrets, and with all kinds of host names.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <iostream>
#include <random>

#include "group/tcp/rank_address.h"
#include "group/tcp/socket.h"
#include "support/campaign.h"
#include "support/gloo_ranks.h"

namespace lvx::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kLoopback = "127.0.0.1";

TcpAddress address_of(const Bootstrap& bootstrap) {
  RankAddress address;
  std::memcpy(&address, bootstrap.address().data(), sizeof(address));
  return address.socket;
}

struct Met {
  std::vector<Error> errors;
  std::vector<std::shared_ptr<RejectedConnections>> rejected;
};

// Runs each rank with its own options. Calls before(bootstraps) before any of them connects.
template <typename Before>
Met meet(const std::vector<JoinOptions>& options, Before&& before) {
  const int size = static_cast<int>(options.size());
  std::vector<std::unique_ptr<Bootstrap>> bootstraps;
  std::vector<std::span<const std::byte>> addresses;
  Met met;
  met.errors.assign(options.size(), Error(LVX_OK, ""));
  for (int rank = 0; rank < size; ++rank) {
    JoinOptions own = options[static_cast<std::size_t>(rank)];
    own.rejected = std::make_shared<RejectedConnections>();
    met.rejected.push_back(own.rejected);
    bootstraps.push_back(begin_gloo(rank, size, own));
    addresses.push_back(bootstraps.back()->address());
  }
  before(bootstraps);
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < options.size(); ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const std::shared_ptr<Device> device = make_cpu_device({.threads = 1});
        Group group(bootstraps[rank]->connect(addresses, device), device, {});
        group.barrier();
      } catch (const Error& error) {
        met.errors[rank] = error;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return met;
}

JoinOptions joining(const std::string& secret = "", double timeout = 20) {
  return {.host = kLoopback, .timeout_seconds = timeout, .secret = secret};
}

std::vector<std::byte> noise(std::size_t bytes) { return std::vector<std::byte>(bytes, std::byte{0x47}); }

// The 112 bytes that crashed the process in Gloo's own thread, garbage of all lengths, half a greeting, silence, a port scan, and
// half-closed connections.
TEST(TcpMeeting, RanksConnectAlthoughForeignConnectionsAreMade) {
  for (const char* secret : {"", "open sesame"}) {
    std::vector<Socket> foreign;
    const Met met = meet(std::vector<JoinOptions>(3, joining(secret)), [&](auto& bootstraps) {
      for (const auto& bootstrap : bootstraps) {
        const TcpAddress at = address_of(*bootstrap);
        for (const std::size_t bytes : {0u, 1u, 55u, 56u, 112u, 4096u, 1u << 20}) {
          foreign.push_back(Socket::connecting(at));
          foreign.back().send_all(noise(bytes), Clock::now() + milliseconds(200));
        }
        foreign.push_back(Socket::connecting(at));
        ::shutdown(foreign.back().descriptor(), SHUT_WR);
        for (int scanned = 0; scanned < 300; ++scanned) Socket::connecting(at);
        for (int idle = 0; idle < 200; ++idle) foreign.push_back(Socket::connecting(at));
      }
    });
    for (std::size_t rank = 0; rank < 3; ++rank) {
      EXPECT_EQ(met.errors[rank].status(), LVX_OK) << met.errors[rank].what();
    }
    // Rank 2 waits for no connections, so it need not accept any.
    for (const std::size_t rank : {0, 1}) {
      const RejectedConnections& seen = *met.rejected[rank];
      EXPECT_EQ(seen.lines.size(), std::min<std::uint64_t>(seen.count, LVX_REJECTED_CONNECTION_LINES));
      EXPECT_GE(seen.count, 1u);
      for (const std::string& line : seen.lines) {
        EXPECT_TRUE(line.starts_with(std::string(kLoopback) + " ")) << line;
        EXPECT_LT(line.size(), sizeof(lvx_rejected_connections::lines[0]));
      }
    }
  }
}

// Every rejected connection is reported with its own reason, in the order in which they were dropped, whether or not the ranks
// connect.
TEST(TcpMeeting, EachRejectedConnectionIsReportedWithTheReason) {
  for (const bool complete : {true, false}) {
    std::vector<JoinOptions> options(2, joining("open sesame", complete ? 20 : 1));
    if (!complete) options[1].secret = "close sesame";
    std::vector<Socket> foreign;
    const Met met = meet(options, [&](auto& bootstraps) {
      const TcpAddress at = address_of(*bootstraps[0]);
      const auto until = Clock::now() + seconds(1);
      foreign.push_back(Socket::connecting(at));
      foreign.back().send_all(noise(56), until);
      foreign.push_back(Socket::connecting(at));
      ::shutdown(foreign.back().descriptor(), SHUT_WR);
    });
    const auto& lines = met.rejected[0]->lines;
    EXPECT_EQ(std::count(lines.begin(), lines.end(), "127.0.0.1 sent what no rank of this group sends"), 1);
    EXPECT_EQ(
        std::count(lines.begin(), lines.end(), "127.0.0.1 left before it had proved to be of this group"), 1);
    EXPECT_EQ(
        std::count(lines.begin(), lines.end(), "127.0.0.1 said to be rank 1 and could not prove it") > 0,
        !complete);
    EXPECT_EQ(met.errors[0].status(), complete ? LVX_OK : LVX_PEER_MISMATCH) << met.errors[0].what();
  }
}

TEST(TcpMeeting, ARankWithAnotherSecretIsNamedOnBothSides) {
  for (const char* other : {"", "close sesame"}) {
    const Met met =
        meet({joining("open sesame", 2), joining("open sesame", 2), joining(other, 2)}, [](auto&) {});
    EXPECT_EQ(met.errors[2].status(), LVX_PEER_MISMATCH) << met.errors[2].what();
    EXPECT_NE(std::string(met.errors[2].what()).find("rank 2, this one, could not prove"), std::string::npos)
        << met.errors[2].what();
    for (const std::size_t rank : {0, 1}) {
      EXPECT_EQ(met.errors[rank].status(), LVX_PEER_MISMATCH) << met.errors[rank].what();
      EXPECT_EQ(met.errors[rank].peer(), 2);
      EXPECT_NE(std::string(met.errors[rank].what())
                    .find("rank 2 could not prove that it knows the group's secret"),
                std::string::npos)
          << met.errors[rank].what();
      EXPECT_EQ(std::string(met.errors[rank].what()).find("open"), std::string::npos) << "the secret is told";
    }
  }
}

TEST(TcpMeeting, RanksAgreeAboutChecksums) {
  JoinOptions without = joining();
  without.checksums = false;
  const Met met = meet({joining(), without}, [](auto&) {});
  for (const std::size_t rank : {0, 1}) {
    EXPECT_EQ(met.errors[rank].status(), LVX_PEER_MISMATCH) << met.errors[rank].what();
    EXPECT_EQ(met.errors[rank].peer(), 1 - static_cast<int>(rank));
  }
  EXPECT_EQ(meet({without, without}, [](auto&) {}).errors[0].status(), LVX_OK);
}

TEST(TcpMeeting, AMissingRankIsNamedAlthoughForeignConnectionsAreMade) {
  const auto absent = begin_gloo(1, 2, joining());
  const auto own = begin_gloo(0, 2, joining("", 0.5));
  const Socket foreign = Socket::connecting(address_of(*own));
  try {
    own->connect({own->address(), absent->address()}, make_cpu_device({.threads = 1}));
    FAIL() << "made a group with an unauthenticated peer";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), LVX_TIMEOUT) << error.what();
    EXPECT_EQ(error.peer(), 1);
  }
}

TEST(TcpMeeting, HostsThatCannotServeAreRefusedByName) {
  for (const char* host :
       {" ", "no-such-host.invalid", "[127.0.0.1]", "[::1", "::1]", "fe80::1%lo", "fe80::1%nowhere",
        "fe80::1", "192.0.2.1", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "a b",
        "127.0.0.1:80", "%", "999.1.1.1", "::ffff:0:0:0:0:0:0:0:0"}) {
    try {
      begin_gloo(0, 2, {.host = host, .timeout_seconds = 1});
      ADD_FAILURE() << "'" << host << "' serves";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), LVX_INVALID_ARGUMENT) << host;
      EXPECT_NE(std::string(error.what()).find(std::string("'") + host + "'"), std::string::npos)
          << error.what();
      EXPECT_NE(std::string(error.what()).find("expected"), std::string::npos) << error.what();
    }
  }
}

TEST(TcpMeeting, HostsThatServeJoinRanks) {
  std::vector<std::string> hosts = {"127.0.0.1", "127.0.0.2", "localhost", ""};
  try {
    Socket::listening(resolve_own("::1"), 1);
    hosts.insert(hosts.end(), {"::1", "[::1]"});
  } catch (const std::exception&) {
    std::cout << "without IPv6 on this machine\n";
  }
  for (const std::string& host : hosts) {
    JoinOptions options = joining();
    options.host = host;
    const Met met = meet({options, options}, [](auto&) {});
    EXPECT_EQ(met.errors[0].status(), LVX_OK) << "'" << host << "': " << met.errors[0].what();
  }
}

// The amount of freed memory that AddressSanitizer keeps in quarantine.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kQuarantine = 256u << 20;
#else
constexpr std::size_t kQuarantine = 0;
#endif

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// A hostile client. Until told to stop, it connects to every port of a rank, sends garbage, idles and disconnects.
class Hostile {
 public:
  explicit Hostile(std::vector<TcpAddress> ports) : ports_(std::move(ports)), thread_([this] { knock(); }) {}
  ~Hostile() {
    stop_ = true;
    thread_.join();
  }
  std::uint64_t knocks() const { return knocks_; }

 private:
  void knock() {
    std::mt19937 random(seeded(1));
    std::vector<Socket> idle(50);
    while (!stop_) {
      for (const TcpAddress& port : ports_) {
        try {
          Socket socket = Socket::connecting(port);
          socket.send_all(noise(random() % 200), Clock::now() + milliseconds(1));
          if (random() % 2 == 0) idle[random() % idle.size()] = std::move(socket);
        } catch (const std::exception&) {
          // The port is closed, or this process is out of sockets: expected.
        }
        ++knocks_;
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
  }

  const std::vector<TcpAddress> ports_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> knocks_{0};
  std::thread thread_;
};

// Four ranks repeatedly connect, compute and leave, while a hostile client connects to each of their ports. They also compute
// for a long time in one group. LVX_LONG=1: for ten minutes.
TEST(TcpMeeting, HostileClientsChangeNothing) {
  const bool whole = whole_campaigns();
  const auto until = Clock::now() + (whole ? seconds(600) : seconds(4));
  std::size_t resident = 0;
  int groups = 0;
  while (Clock::now() < until) {
    std::unique_ptr<Hostile> hostile;
    std::vector<std::unique_ptr<Bootstrap>> bootstraps;
    std::vector<std::span<const std::byte>> addresses;
    std::vector<TcpAddress> ports;
    for (int rank = 0; rank < 4; ++rank) {
      bootstraps.push_back(begin_gloo(rank, 4, joining(groups % 2 == 0 ? "" : "open sesame")));
      addresses.push_back(bootstraps.back()->address());
      ports.push_back(address_of(*bootstraps.back()));
    }
    hostile = std::make_unique<Hostile>(ports);
    std::this_thread::sleep_for(milliseconds(50));
    const auto end = std::min(until, Clock::now() + (whole ? seconds(20) : seconds(1)));
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int rank = 0; rank < 4; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          const std::shared_ptr<Device> device = make_cpu_device({.threads = 1});
          Group group(bootstraps[static_cast<std::size_t>(rank)]->connect(addresses, device), device, {});
          for (std::int64_t round = 0;; ++round) {
            // Rank 0 decides, so that all stop after the same round.
            const std::array<std::int64_t, 2> mine = {rank * 1000000 + round, rank == 0 && stop ? 1 : 0};
            std::array<std::int64_t, 8> all{};
            group.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
            for (int peer = 0; peer < 4; ++peer) {
              ASSERT_EQ(all[static_cast<std::size_t>(2 * peer)], peer * 1000000 + round);
            }
            if (all[1] != 0) break;
            std::vector<std::int64_t> out(20000, rank + round), in(20000);
            run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
              const std::array transfers = {send_to((rank + 1) % 4, lend(collective, out), 160000),
                                            receive_from((rank + 3) % 4, lend(collective, in), 160000)};
              collective.wait(collective.start(transfers));
            });
            ASSERT_EQ(std::count(in.begin(), in.end(), (rank + 3) % 4 + round), 20000);
          }
        } catch (const std::exception& error) {
          ADD_FAILURE() << "rank " << rank << ": " << error.what();
        }
      });
    }
    std::this_thread::sleep_until(end);
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_GT(hostile->knocks(), 0u);
    if (++groups == 1) resident = resident_bytes();
  }
  EXPECT_LT(resident_bytes(), resident + kQuarantine + (32u << 20)) << "after " << groups << " groups";
}

}  // namespace
}  // namespace lvx::test
