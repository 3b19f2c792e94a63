// SPDX-License-Identifier: Apache-2.0
#include "group/tcp/reception.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

namespace lvx {
namespace {

// Ranks answer immediately, and reconnect if they were dropped.
constexpr std::chrono::seconds kPatience{5};
constexpr std::chrono::milliseconds kPauseWithoutSockets{50};
constexpr std::size_t kMostVisitors = 128;
// Maximum number of accepted connections per round, so that existing connections make progress.
constexpr int kMostAtOnce = 64;

}  // namespace

Reception::Reception(Socket listener, int rank, int size, int lanes, const GroupKey& key,
                     RejectedConnections& rejected)
    : listener_(std::move(listener)),
      rank_(rank),
      size_(size),
      lanes_(lanes),
      key_(key),
      impostors_(static_cast<std::size_t>(size)),
      rejected_(rejected) {}

void Reception::await(std::vector<pollfd>& entries) const {
  const bool open = !listener_.none() && Clock::now() >= closed_until_;
  entries.push_back({open ? listener_.descriptor() : -1, POLLIN, 0});
  for (const Visitor& visitor : visitors_) {
    entries.push_back({visitor.greeting.descriptor(), visitor.greeting.events(), 0});
  }
}

void Reception::serve(const pollfd* entries) {
  const bool called = entries->revents != 0;
  const auto now = Clock::now();
  for (Position next = visitors_.begin(); next != visitors_.end();) {
    const Position visitor = next++;
    const bool ready = (++entries)->revents != 0;
    if (now >= visitor->expiry) {
      drop(visitor, "did not prove in time that it belongs to this group");
    } else if (ready) {
      advance(visitor);
    }
  }
  if (called) accept_all();
}

void Reception::accept_all() {
  try {
    for (int i = 0; i < kMostAtOnce; ++i) {
      TcpAddress from;
      Socket socket = listener_.accept(from);
      if (socket.none()) return;
      if (visitors_.size() >= kMostVisitors) make_room();
      visitors_.push_back({{std::move(socket), Handshake::listener(key_, rank_, size_, lanes_)},
                           from,
                           Clock::now() + kPatience});
      advance(std::prev(visitors_.end()));
    }
  } catch (const std::system_error&) {
    // Out of sockets: drops an unauthenticated connection or, if there is none, stops accepting for a while.
    if (visitors_.empty()) {
      closed_until_ = Clock::now() + kPauseWithoutSockets;
    } else {
      make_room();
    }
  }
}

// Ranks send their first message immediately, so the oldest silent connection is dropped first.
void Reception::make_room() {
  const auto silent = std::find_if(visitors_.begin(), visitors_.end(),
                                   [](const Visitor& visitor) { return !visitor.greeting.spoken(); });
  drop(silent == visitors_.end() ? visitors_.begin() : silent,
       "was dropped because too many connections were open");
}

void Reception::advance(Position visitor) {
  Greeting& greeting = visitor->greeting;
  if (!greeting.advance()) {
    drop(visitor, "left before it had proved to be of this group");
    return;
  }
  if (!greeting.ended()) return;
  const Ends ends = greeting.handshake().ends();
  switch (greeting.handshake().state()) {
    case Handshake::State::kProved:
      proved_.push_back({ends, greeting.take_socket()});
      visitors_.erase(visitor);
      return;
    case Handshake::State::kImpostor:
      impostors_[static_cast<std::size_t>(ends.from)] = true;
      drop(visitor, "said to be rank " + std::to_string(ends.from) + " and could not prove it");
      return;
    default:
      drop(visitor, "sent what no rank of this group sends");
  }
}

void Reception::drop(Position visitor, const std::string& reason) {
  rejected_.add(visitor->from.text() + " " + reason);
  visitors_.erase(visitor);
}

Clock::time_point Reception::next_expiry() const {
  Clock::time_point next = Clock::time_point::max();
  if (closed_until_ > Clock::now()) next = closed_until_;
  // All visitors have the same time limit, so the oldest expires first.
  return visitors_.empty() ? next : std::min(next, visitors_.front().expiry);
}

void Reception::close() {
  listener_.close();
  while (!visitors_.empty()) drop(visitors_.begin(), "came after all ranks had connected");
}

}  // namespace lvx
