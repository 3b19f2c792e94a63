// SPDX-License-Identifier: Apache-2.0
#include "group/remote/mailbox.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/error.h"

namespace lvx {
namespace {

// The size limit of a round's message. A peer that announces more uses another protocol.
constexpr std::uint32_t kLargestMessage = 1U << 24;

std::uint32_t milliseconds_since(Clock::time_point time) {
  if (time == Clock::time_point{}) return Frame::kLongAgo;
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - time).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(passed, 0, Frame::kLongAgo));
}

}  // namespace

std::optional<Frame> Mailbox::deliver(int peer, const Frame& frame) {
  const Lock lock(mutex_);
  Peer& state = at(peer);
  std::optional<Frame> answer;
  switch (frame.type) {
    case Frame::Type::kControl:
      take_part(state, frame);
      break;
    case Frame::Type::kFarewell:
      if (!state.gone) {
        state.gone = true;
        state.broke_off = frame.broken_off != 0;
        state.interrupted = frame.total != 0;
        state.culprit = frame.rank >= 0 && frame.rank < size() ? frame.rank : peer;
        state.reason.assign(reinterpret_cast<const char*>(frame.payload.data()), frame.bytes);
      }
      break;
    case Frame::Type::kProbe:
      answer.emplace();
      answer->type = Frame::Type::kState;
      answer->rank = waiting_for_;
      answer->round = state.transfers;
      answer->total = milliseconds_since(moved_);
      break;
    case Frame::Type::kState:
      state.answered = true;
      state.waits_for = frame.rank >= 0 && frame.rank < size() ? frame.rank : -1;
      state.transfers_begun = frame.round;
      state.idle_milliseconds = frame.total;
      break;
    case Frame::Type::kReceived:
      state.received = std::max(state.received, frame.round);
      break;
    default:
      throw Error(LVX_PEER_LOST, "sent a message of unknown type", peer);
  }
  changed_.notify_all();
  return answer;
}

void Mailbox::take_part(Peer& peer, const Frame& frame) {
  if (frame.total > kLargestMessage || frame.offset > frame.total ||
      frame.bytes > frame.total - frame.offset) {
    throw Error(LVX_PEER_LOST, "sent a control message whose lengths contradict each other");
  }
  Message& message = peer.rounds[frame.round];
  message.bytes.resize(frame.total);
  std::copy_n(frame.payload.begin(), frame.bytes,
              message.bytes.begin() + static_cast<std::ptrdiff_t>(frame.offset));
  message.received += frame.bytes;
}

void Mailbox::connection_lost(int peer, const std::string& reason) {
  const Lock lock(mutex_);
  Peer& state = at(peer);
  if (state.gone) return;
  state.gone = true;
  state.culprit = peer;
  state.reason = reason;
  changed_.notify_all();
}

void Mailbox::interrupt(std::string_view reason) noexcept {
  const Lock lock(mutex_);
  interruption_.set(reason);
  changed_.notify_all();
}

void Mailbox::resume() noexcept {
  const Lock lock(mutex_);
  interruption_.clear();
}

bool Mailbox::interrupted() {
  const Lock lock(mutex_);
  return interruption_.is_set();
}

void Mailbox::require_uninterrupted(int peer) {
  const Lock lock(mutex_);
  require_uninterrupted_locked(peer);
}

void Mailbox::require_uninterrupted_locked(int peer) {
  interruption_.require_none(peer);
  for (int other = 0; other < size(); ++other) {
    if (at(other).interrupted) throw_lost_locked(other);
  }
}

void Mailbox::waiting_for(int peer, Clock::time_point moved) {
  const Lock lock(mutex_);
  waiting_for_ = peer;
  moved_ = moved;
}

bool Mailbox::await_received(int peer, std::uint64_t messages, Clock::time_point until) {
  Lock lock(mutex_);
  changed_.wait_until(lock, until, [&] { return at(peer).received >= messages || at(peer).gone; });
  return at(peer).received >= messages;
}

bool Mailbox::gone(int peer) {
  const Lock lock(mutex_);
  return at(peer).gone;
}

bool Mailbox::broke_off(int peer) {
  const Lock lock(mutex_);
  return at(peer).broke_off;
}

void Mailbox::await_end_of(int peer, Clock::time_point until) {
  Lock lock(mutex_);
  changed_.wait_until(lock, until, [&] { return at(peer).gone; });
}

int Mailbox::await_any_end(Clock::time_point until) {
  Lock lock(mutex_);
  changed_.wait_until(lock, until, [&] { return first_gone() >= 0; });
  return first_gone();
}

void Mailbox::count_transfer(int peer) {
  const Lock lock(mutex_);
  ++at(peer).transfers;
}

std::uint64_t Mailbox::transfers_begun_by(int peer) {
  const Lock lock(mutex_);
  return at(peer).transfers_begun;
}

bool Mailbox::complete(Peer& peer, std::uint64_t round) {
  const auto found = peer.rounds.find(round);
  return found != peer.rounds.end() && found->second.received == found->second.bytes.size();
}

int Mailbox::await_round(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
                         Clock::time_point until) {
  Lock lock(mutex_);
  int missing = -1;
  const auto find_missing = [&] {
    missing = -1;
    for (int peer = size() - 1; peer >= 0; --peer) {
      if (peer == rank_ || complete(at(peer), round)) continue;
      if (at(peer).gone) throw_lost_locked(peer);
      missing = peer;
    }
    waiting_for_ = missing;
    moved_ = {};
    if (missing >= 0) require_uninterrupted_locked(missing);
    return missing < 0;
  };
  if (!changed_.wait_until(lock, until, find_missing)) return missing;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank_) continue;
    const std::vector<std::byte>& message = at(peer).rounds[round].bytes;
    if (message.size() != message_bytes) {
      throw Error(LVX_PEER_LOST,
                  "rank " + std::to_string(peer) + " sent a control message of " +
                      std::to_string(message.size()) + " bytes, expected " + std::to_string(message_bytes),
                  peer);
    }
    std::copy(message.begin(), message.end(),
              all.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(peer) * message_bytes));
  }
  return -1;
}

void Mailbox::forget_rounds_before(std::uint64_t round) {
  const Lock lock(mutex_);
  for (Peer& peer : peers_) peer.rounds.erase(peer.rounds.begin(), peer.rounds.lower_bound(round));
}

void Mailbox::throw_lost(int peer) {
  const Lock lock(mutex_);
  throw_lost_locked(peer);
}

void Mailbox::throw_lost_locked(int peer) {
  const Peer& lost = at(peer);
  throw Error(LVX_PEER_LOST, "rank " + std::to_string(peer) + " left the group: " + lost.reason,
              lost.culprit == rank_ ? peer : lost.culprit);
}

bool Mailbox::anyone_broke_off() {
  const Lock lock(mutex_);
  return std::any_of(peers_.begin(), peers_.end(),
                     [](const Peer& peer) { return peer.gone && peer.broke_off; });
}

void Mailbox::forget_answers() {
  const Lock lock(mutex_);
  for (Peer& peer : peers_) peer.answered = false;
}

int Mailbox::first_gone() const {
  const auto found = std::find_if(peers_.begin(), peers_.end(), [](const Peer& other) { return other.gone; });
  return found == peers_.end() ? -1 : static_cast<int>(found - peers_.begin());
}

// Meanwhile, a peer that knows the cause may leave. Its farewell then names the culprit.
void Mailbox::await_answers(Lock& lock, Clock::time_point until) {
  changed_.wait_until(lock, until, [&] {
    return first_gone() >= 0 || interruption_.is_set() ||
           std::all_of(peers_.begin(), peers_.end(),
                       [&](const Peer& other) { return &other == &at(rank_) || other.answered; });
  });
  if (first_gone() >= 0) throw_lost_locked(first_gone());
  interruption_.require_none(waiting_for_);
}

int Mailbox::silent_peer(Clock::time_point until) {
  Lock lock(mutex_);
  await_answers(lock, until);
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank_ && !at(peer).answered) return peer;
  }
  return -1;
}

Clock::time_point Mailbox::find_late(int peer, Clock::time_point until, Clock::duration patience) {
  Lock lock(mutex_);
  waiting_for_ = peer;
  await_answers(lock, until);
  // The rank at the end of the chain of waits is at fault: it does not answer, or it waits for no rank.
  int culprit = peer;
  for (int steps = 0; steps < size(); ++steps) {
    const Peer& state = at(culprit);
    if (!state.answered || state.waits_for < 0) break;
    const std::chrono::milliseconds idle(state.idle_milliseconds);
    if (state.idle_milliseconds != Frame::kLongAgo && idle < patience) return Clock::now() - idle;
    if (state.waits_for == rank_) break;
    culprit = state.waits_for;
  }
  throw Error(LVX_TIMEOUT,
              "rank " + std::to_string(culprit) + " did not answer within the timeout" +
                  (culprit == peer ? std::string() : " (rank " + std::to_string(peer) + " waits for it)"),
              culprit);
}

}  // namespace lvx
