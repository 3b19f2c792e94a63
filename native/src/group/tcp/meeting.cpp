// SPDX-License-Identifier: Apache-2.0
#include "group/tcp/meeting.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace lvx {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetry{20};
constexpr milliseconds kLongestRetry{1000};
// Time limit for a peer to finish the handshake once it has begun to answer.
constexpr milliseconds kPatience{5000};
constexpr milliseconds kLongestWait{200};  // interruptions are noticed after a wait

int first_missing(const Connections& connections) {
  for (const std::vector<Socket>& lane : connections.lanes) {
    for (int peer = 0; peer < static_cast<int>(lane.size()); ++peer) {
      if (peer != connections.rank && lane[static_cast<std::size_t>(peer)].none()) return peer;
    }
  }
  return -1;
}

}  // namespace

// The state of a connection to a lower rank.
struct Meeting::Dial {
  Ends ends;
  TcpAddress to;
  std::optional<Greeting> greeting = std::nullopt;  // absent: retried at the time `next`
  Clock::time_point next{};
  milliseconds pause = kRetry;
  bool done = false;
  bool refused = false;  // the peer rejected this rank's proof
  std::string trouble = "nothing answers";

  void fail(const std::string& reason) {
    greeting.reset();
    trouble = reason;
    next = Clock::now() + pause;
    pause = std::min(2 * pause, kLongestRetry);
  }
};

Meeting::Meeting(int rank, int size, int lanes, const JoinOptions& options, std::span<const std::byte> extra)
    : rank_(rank), size_(size), lanes_(lanes), options_(options) {
  const TcpAddress own = resolve_own(options.host);
  try {
    listener_ = Socket::listening(own, SOMAXCONN);
    RankAddress header;
    std::strncpy(header.version.data(), LVX_VERSION, header.version.size() - 1);
    header.rank = rank;
    header.size = size;
    header.lanes = lanes;
    header.checksums = options.checksums ? 1 : 0;
    header.socket = listener_.address();
    fill_randomly(header.random);
    loopback_ = own.is_loopback();
    const auto bytes = std::as_bytes(std::span(&header, 1));
    address_.assign(bytes.begin(), bytes.end());
    address_.insert(address_.end(), extra.begin(), extra.end());
  } catch (const std::system_error& error) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "host",
                        "nothing can listen at " + own.text() + " (" + error.what() + ")");
  }
}

std::span<const std::byte> Meeting::extra_of(std::span<const std::byte> address) const {
  return address.subspan(sizeof(RankAddress));
}

RankAddress Meeting::header_of(int peer, std::span<const std::byte> address) const {
  if (address.size() != address_.size()) {
    throw Error(LVX_INVALID_ARGUMENT,
                "address of rank " + std::to_string(peer) + ": expected " + std::to_string(address_.size()) +
                    " bytes, got " + std::to_string(address.size()),
                peer);
  }
  RankAddress header;
  std::memcpy(&header, address.data(), sizeof(header));
  return header;
}

void Meeting::check(int peer, const RankAddress& theirs) const {
  const std::string name = "address of rank " + std::to_string(peer);
  if (theirs.magic != RankAddress::kMagic) {
    throw Error(LVX_INVALID_ARGUMENT, name + ": these bytes are no address of a rank", peer);
  }
  if (std::strncmp(theirs.version.data(), LVX_VERSION, theirs.version.size()) != 0) {
    throw Error(LVX_INVALID_ARGUMENT,
                name + ": it runs version " +
                    std::string(theirs.version.data(), ::strnlen(theirs.version.data(), 16)) +
                    " of lvxattn, this rank " + LVX_VERSION,
                peer);
  }
  if (theirs.rank != peer || theirs.size != size_) {
    throw Error(LVX_INVALID_ARGUMENT,
                name + ": it says rank " + std::to_string(theirs.rank) + " of " +
                    std::to_string(theirs.size) + ", expected rank " + std::to_string(peer) + " of " +
                    std::to_string(size_),
                peer);
  }
  const TcpAddress& at = theirs.socket;
  const bool known = at.family == TcpAddress::Family::kV4 || at.family == TcpAddress::Family::kV6;
  if (theirs.lanes != lanes_ || !known || at.port == 0 || !at.is_of_one_machine()) {
    throw Error(LVX_INVALID_ARGUMENT, name + ": these bytes are no address of a rank", peer);
  }
  if ((theirs.checksums != 0) != options_.checksums) {
    throw Error(LVX_PEER_MISMATCH,
                "rank " + std::to_string(peer) + (theirs.checksums != 0 ? " expects" : " leaves out") +
                    " checksums, this rank does not; expected the same on all ranks (LVX_CHECKSUM)",
                peer);
  }
  // A rank with a loopback address can be reached only from its own machine.
  if (at.is_loopback() != loopback_) {
    throw Error(
        LVX_INVALID_ARGUMENT,
        "rank " + std::to_string(loopback_ ? rank_ : peer) + " offers a loopback address, which rank " +
            std::to_string(loopback_ ? peer : rank_) +
            " on another machine cannot reach; give it a host name or address of its network interface",
        loopback_ ? rank_ : peer);
  }
}

void Meeting::begin(Dial& dial) const {
  try {
    dial.greeting.emplace(Socket::connecting(dial.to), Handshake::dialer(key_, dial.ends));
    // The other side may not answer yet: it has time until the end of the meeting.
    dial.next = Clock::time_point::max();
  } catch (const std::system_error& error) {
    dial.fail(error.what());
  }
}

void Meeting::advance(Dial& dial, Connections& connections) const {
  Greeting& greeting = *dial.greeting;
  if (!greeting.advance()) {
    dial.fail(greeting.trouble());
    return;
  }
  if (greeting.spoken() && dial.next == Clock::time_point::max()) dial.next = Clock::now() + kPatience;
  if (!greeting.ended()) return;
  const auto peer = static_cast<std::size_t>(dial.ends.to);
  switch (greeting.handshake().state()) {
    case Handshake::State::kProved:
      connections.lanes[static_cast<std::size_t>(dial.ends.lane)][peer] = greeting.take_socket();
      dial.greeting.reset();
      dial.done = true;
      return;
    case Handshake::State::kRefused:
      dial.greeting.reset();
      dial.refused = true;
      dial.done = true;
      return;
    default:
      dial.fail("whoever answers at " + dial.to.text() + " could not prove to be that rank");
  }
}

// Throws after a peer has rejected this rank's proof, but only after the other peers have rejected it, too. Otherwise they
// would report this rank as missing.
void Meeting::require_acceptance(const std::vector<Dial>& dials, Clock::time_point now,
                                 Clock::time_point& expiry) const {
  const auto refused =
      std::find_if(dials.begin(), dials.end(), [](const Dial& dial) { return dial.refused; });
  if (refused == dials.end()) return;
  expiry = std::min(expiry, now + kPatience);
  const bool speaks =
      std::any_of(dials.begin(), dials.end(), [](const Dial& dial) { return dial.greeting.has_value(); });
  if (speaks && now < expiry) return;
  throw Error(LVX_PEER_MISMATCH,
              "rank " + std::to_string(rank_) + ", this one, could not prove to rank " +
                  std::to_string(refused->ends.to) +
                  " that it knows the group's secret; expected the same secret, or none, on all ranks",
              refused->ends.to);
}

void Meeting::await(std::vector<Dial>& dials, Reception& reception, Connections& connections,
                    Clock::time_point until) const {
  std::vector<pollfd> entries;
  auto expiry = until;  // earlier once a peer has rejected this rank
  for (int missing = 0; (missing = first_missing(connections)) >= 0;) {
    const auto now = Clock::now();
    require_acceptance(dials, now, expiry);
    options_.interruption->require_none(missing);
    if (now >= until) return;
    auto wake = std::min({until, now + kLongestWait, reception.next_expiry()});
    entries.clear();
    for (Dial& dial : dials) {
      if (!dial.done && dial.next <= now) {
        if (dial.greeting) {
          dial.fail("whoever answers at " + dial.to.text() + " did not prove in time to be that rank");
        } else {
          begin(dial);
        }
      }
      if (!dial.done) wake = std::min(wake, dial.next);
      entries.push_back({dial.greeting ? dial.greeting->descriptor() : -1,
                         dial.greeting ? dial.greeting->events() : short{0}, 0});
    }
    reception.await(entries);
    const auto left = std::chrono::ceil<milliseconds>(wake - now).count();
    poll(entries.data(), entries.size(), static_cast<int>(std::max<std::int64_t>(left, 0)));
    for (std::size_t i = 0; i < dials.size(); ++i) {
      if (entries[i].revents != 0) advance(dials[i], connections);
    }
    reception.serve(entries.data() + dials.size());
    for (Reception::Proved& proved : reception.take_proved()) {
      // A second connection from the same rank replaces the first, which failed on that rank's side.
      connections
          .lanes[static_cast<std::size_t>(proved.ends.lane)][static_cast<std::size_t>(proved.ends.from)] =
          std::move(proved.socket);
    }
  }
}

void Meeting::require_all(const std::vector<Dial>& dials, const Reception& reception,
                          const Connections& connections) const {
  const RejectedConnections& rejected = *options_.rejected;
  const std::string dropped = rejected.count == 0
                                  ? std::string()
                                  : "; " + std::to_string(rejected.count) +
                                        " connections were rejected, the first: " + rejected.lines.front();
  for (int peer = 0; peer < size_; ++peer) {
    for (const auto& lane : connections.lanes) {
      if (peer == rank_ || !lane[static_cast<std::size_t>(peer)].none()) continue;
      std::string what = "rank " + std::to_string(peer);
      if (peer > rank_ && reception.saw_impostor_of(peer)) {
        what +=
            " could not prove that it knows the group's secret; expected the same secret, or none, on all "
            "ranks";
        what += dropped;
        throw Error(LVX_PEER_MISMATCH, what, peer);
      }
      const auto dial = std::find_if(dials.begin(), dials.end(),
                                     [&](const Dial& other) { return other.ends.to == peer && !other.done; });
      what += " did not connect within the timeout";
      if (dial != dials.end()) what.append(" (").append(dial->trouble).append(")");
      what += dropped;
      throw Error(LVX_TIMEOUT, what, peer);
    }
  }
}

Connections Meeting::connect(const std::vector<std::span<const std::byte>>& addresses) {
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(options_.timeout_seconds));
  if (listener_.none()) throw ArgumentError(LVX_INVALID_STATE, "bootstrap", "already connected");
  std::vector<Dial> dials;
  for (int peer = 0; peer < size_; ++peer) {
    const RankAddress header = header_of(peer, addresses[static_cast<std::size_t>(peer)]);
    check(peer, header);
    for (int lane = 0; peer < rank_ && lane < lanes_; ++lane) {
      dials.push_back({.ends = {rank_, peer, size_, lane}, .to = header.socket});
    }
  }
  key_ = group_key(options_.secret, addresses);
  Connections connections;
  connections.rank = rank_;
  connections.checksums = options_.checksums;
  for (int lane = 0; lane < lanes_; ++lane) connections.lanes.emplace_back(static_cast<std::size_t>(size_));
  Reception reception(std::move(listener_), rank_, size_, lanes_, key_, *options_.rejected);
  await(dials, reception, connections, until);
  require_all(dials, reception, connections);
  reception.close();
  return connections;
}

}  // namespace lvx
