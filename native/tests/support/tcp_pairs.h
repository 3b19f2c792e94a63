// SPDX-License-Identifier: Apache-2.0
// Ranks whose connections pass through a proxy in the test, which can slow down, delay and corrupt data.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "group/remote/remote_transport.h"
#include "group/tcp/tcp_fabric.h"
#include "support/local_ranks.h"

namespace lvx::test {

inline std::array<Socket, 2> tcp_pair() {
  TcpAddress loopback = resolve_own("127.0.0.1");
  const Socket listener = Socket::listening(loopback, 1);
  std::array<Socket, 2> pair;
  pair[0] = Socket::connecting(listener.address());
  TcpAddress from;
  while (pair[1].none()) pair[1] = listener.accept(from);
  return pair;
}

// Modifies bytes in transit, in place. Returns the delay in milliseconds before they are forwarded.
using OnTheWay = std::function<int(std::span<std::byte> bytes)>;

// Forwards data between two sockets in both directions, until one of them ends or the object is destroyed.
class Carrier {
 public:
  Carrier(Socket one, Socket other, OnTheWay on_the_way)
      : ends_{std::move(one), std::move(other)}, on_the_way_(std::move(on_the_way)) {
    thread_ = std::thread([this] { carry(); });
  }
  ~Carrier() {
    stop_ = true;
    thread_.join();
  }
  Carrier(const Carrier&) = delete;
  Carrier& operator=(const Carrier&) = delete;

 private:
  void carry() {
    std::array<std::byte, 4096> bytes;
    while (!stop_) {
      std::array<pollfd, 2> entries = {pollfd{ends_[0].descriptor(), POLLIN, 0},
                                       pollfd{ends_[1].descriptor(), POLLIN, 0}};
      poll(entries.data(), entries.size(), 20);
      for (std::size_t end = 0; end < 2; ++end) {
        if (entries[end].revents == 0) continue;
        const std::ptrdiff_t received = ends_[end].receive_some(bytes);
        if (received < 0) {
          for (Socket& socket : ends_) socket.close();
          return;
        }
        const auto part = std::span(bytes).first(static_cast<std::size_t>(received));
        const int pause = on_the_way_(part);
        if (pause > 0) std::this_thread::sleep_for(std::chrono::milliseconds(pause));
        while (!stop_ && !ends_[1 - end].send_all(part, Clock::now() + std::chrono::seconds(60))) return;
      }
    }
  }

  std::array<Socket, 2> ends_;
  const OnTheWay on_the_way_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct CarriedWay {
  TcpFabric::Lane lane;
  int one;
  int other;
  OnTheWay on_the_way;
};

// Runs every rank of a TCP group on its own thread. Connections on one of the given routes pass through a proxy. Returns what
// each rank threw; null if it succeeded.
inline std::vector<std::exception_ptr> run_carried_ranks(int size, const GroupOptions& options,
                                                         bool checksums, const std::vector<CarriedWay>& ways,
                                                         const RankBody& body) {
  std::vector<Connections> all(static_cast<std::size_t>(size));
  std::vector<std::unique_ptr<Carrier>> carriers;
  for (int rank = 0; rank < size; ++rank) {
    Connections& own = all[static_cast<std::size_t>(rank)];
    own.rank = rank;
    own.checksums = checksums;
    for (int lane = 0; lane < TcpFabric::kLanes; ++lane)
      own.lanes.emplace_back(static_cast<std::size_t>(size));
  }
  for (int lane = 0; lane < TcpFabric::kLanes; ++lane) {
    for (int one = 0; one < size; ++one) {
      for (int other = one + 1; other < size; ++other) {
        std::array<Socket, 2> ends = tcp_pair();
        for (const CarriedWay& way : ways) {
          if (way.lane != lane || way.one != one || way.other != other) continue;
          std::array<Socket, 2> more = tcp_pair();
          carriers.push_back(
              std::make_unique<Carrier>(std::move(ends[1]), std::move(more[0]), way.on_the_way));
          ends[1] = std::move(more[1]);
        }
        const auto at = [&](int rank, int peer) -> Socket& {
          return all[static_cast<std::size_t>(rank)]
              .lanes[static_cast<std::size_t>(lane)][static_cast<std::size_t>(peer)];
        };
        at(one, other) = std::move(ends[0]);
        at(other, one) = std::move(ends[1]);
      }
    }
  }
  std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      const auto slot = static_cast<std::size_t>(rank);
      try {
        Group group(std::make_unique<RemoteTransport>(std::make_unique<TcpFabric>(std::move(all[slot]))),
                    make_cpu_device({.threads = 1}), options);
        body(group);
      } catch (...) {
        thrown[slot] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return thrown;
}

}  // namespace lvx::test
