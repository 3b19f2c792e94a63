// SPDX-License-Identifier: Apache-2.0
#include "group/nccl/meeting.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <random>
#include <thread>

#include "base/error.h"

namespace lvx {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetry{20};
// For somebody who has connected to say who he is: strangers must not hold up ranks.
constexpr milliseconds kHelloPatience{1000};

// The higher rank connects and says this; the lower one answers with its own.
struct Hello {
  std::array<char, 8> magic = RankAddress::kMagic;
  std::int32_t rank = 0;
  std::int32_t size = 0;
  std::uint64_t token = 0;  // the listener's
};

template <typename Plain>
std::span<const std::byte> bytes_of(const Plain& plain) {
  return std::as_bytes(std::span(&plain, 1));
}

std::string own_host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

Socket listen_at(const std::string& host, int backlog) {
  try {
    return Socket::listening(SocketAddress::of_host(host), backlog);
  } catch (const std::exception& error) {
    throw Error(LVX_INVALID_ARGUMENT, "host: cannot be reached by the name '" + host +
                                          "', expected a name or an address of this machine (" +
                                          error.what() + ")");
  }
}

std::uint64_t random_token() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

}  // namespace

Meeting::Meeting(int rank, int size, const std::string& host, const nccl::UniqueId& id)
    : listener_(listen_at(host.empty() ? own_host_name() : host, size)) {
  std::strncpy(own_.version.data(), LVX_VERSION, own_.version.size() - 1);
  own_.rank = rank;
  own_.size = size;
  own_.token = random_token();
  own_.socket = listener_.address();
  own_.id = id;
}

void Meeting::check(int peer, const RankAddress& theirs) const {
  const std::string name = "address of rank " + std::to_string(peer);
  if (theirs.magic != own_.magic) {
    throw Error(LVX_INVALID_ARGUMENT, name + ": these bytes are no address of a rank");
  }
  if (theirs.version != own_.version) {
    throw Error(LVX_INVALID_ARGUMENT,
                name + ": it runs version " +
                    std::string(theirs.version.data(), ::strnlen(theirs.version.data(), 16)) +
                    " of lvxattn, this rank " + LVX_VERSION);
  }
  if (theirs.rank != peer || theirs.size != own_.size) {
    throw Error(LVX_INVALID_ARGUMENT, name + ": it says rank " + std::to_string(theirs.rank) + " of " +
                                          std::to_string(theirs.size) + ", expected rank " +
                                          std::to_string(peer) + " of " + std::to_string(own_.size));
  }
  // A rank on the loopback device can be reached from its own machine only.
  if (theirs.socket.is_loopback() != own_.socket.is_loopback()) {
    const bool mine = own_.socket.is_loopback();
    throw Error(
        LVX_INVALID_ARGUMENT,
        "rank " + std::to_string(mine ? own_.rank : peer) + " offers a loopback address, which rank " +
            std::to_string(mine ? peer : own_.rank) +
            " on another machine cannot reach; give it a host name or address of its network interface");
  }
}

// The connection to a lower rank, or none when the time has come.
Socket Meeting::dial(const RankAddress& theirs, Clock::time_point until) const {
  Hello mine, answer;
  mine.rank = own_.rank;
  mine.size = own_.size;
  mine.token = theirs.token;
  while (Clock::now() < until) {
    try {
      Socket socket = Socket::connected(theirs.socket, until);
      if (socket.send_all(bytes_of(mine), until) &&
          socket.receive_all(std::as_writable_bytes(std::span(&answer, 1)), until) &&
          answer.magic == mine.magic && answer.rank == theirs.rank) {
        return socket;
      }
    } catch (const std::exception&) {
      // It may not be there yet.
    }
    std::this_thread::sleep_for(kRetry);
  }
  return Socket();
}

// The rank that has come, or -1 for a stranger.
int Meeting::welcome(Socket& visitor, Clock::time_point until) const {
  Hello theirs;
  const auto soon = std::min(until, Clock::now() + kHelloPatience);
  if (!visitor.receive_all(std::as_writable_bytes(std::span(&theirs, 1)), soon)) return -1;
  if (theirs.magic != RankAddress::kMagic || theirs.token != own_.token || theirs.size != own_.size ||
      theirs.rank <= own_.rank || theirs.rank >= own_.size) {
    return -1;
  }
  Hello mine;
  mine.rank = own_.rank;
  mine.size = own_.size;
  return visitor.send_all(bytes_of(mine), soon) ? theirs.rank : -1;
}

std::vector<Socket> Meeting::connect(std::span<const RankAddress> addresses, double deadline_seconds) {
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(deadline_seconds));
  for (int peer = 0; peer < own_.size; ++peer) check(peer, addresses[static_cast<std::size_t>(peer)]);
  std::vector<Socket> connections(static_cast<std::size_t>(own_.size));
  const auto require = [](const Socket& connection, int peer) {
    if (connection.none()) {
      throw Error(LVX_DEADLINE_EXCEEDED,
                  "rank " + std::to_string(peer) + " did not connect within the deadline", peer);
    }
  };
  for (int peer = 0; peer < own_.rank; ++peer) {
    Socket& connection = connections[static_cast<std::size_t>(peer)];
    connection = dial(addresses[static_cast<std::size_t>(peer)], until);
    require(connection, peer);
  }
  for (int missing = own_.size - 1 - own_.rank; missing > 0;) {
    Socket visitor = listener_.accept(until);
    if (visitor.none()) break;
    const int peer = welcome(visitor, until);
    if (peer < 0) continue;
    Socket& connection = connections[static_cast<std::size_t>(peer)];
    if (connection.none()) --missing;  // else it tries again: its first connection failed
    connection = std::move(visitor);
  }
  for (int peer = 0; peer < own_.size; ++peer) {
    if (peer != own_.rank) require(connections[static_cast<std::size_t>(peer)], peer);
  }
  listener_.close();
  return connections;
}

}  // namespace lvx
