// SPDX-License-Identifier: Apache-2.0
#include "group/remote/remote_transport.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace lvx {
namespace {

// How long a rank whose deadline has passed asks the others whom they wait for. Answers take far less; a process that
// is stopped gives none.
constexpr std::chrono::milliseconds kPatienceWithAnswers{1500};

}  // namespace

RemoteTransport::RemoteTransport(std::unique_ptr<Fabric> fabric)
    : mailbox_(fabric->rank(), fabric->size()), fabric_(std::move(fabric)) {
  try {
    fabric_->open(mailbox_);
  } catch (const Error& error) {
    leave(error.peer() < 0 ? rank() : error.peer(), error.what());
    throw;
  } catch (...) {
    leave(rank(), "could not open its connections");
    throw;
  }
}

RemoteTransport::~RemoteTransport() { leave(rank(), "closed its group"); }

template <typename Work>
void RemoteTransport::for_each_peer(Work&& work) {
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank()) work(peer);
  }
}

void RemoteTransport::publish(std::uint64_t round, std::span<const std::byte> message) {
  published_.assign(message.begin(), message.end());
  mailbox_.forget_rounds_before(round);
  Frame frame;
  frame.type = Frame::Type::kControl;
  frame.round = round;
  frame.total = static_cast<std::uint32_t>(message.size());
  do {
    const std::size_t part = std::min(message.size() - frame.offset, Frame::kPayloadBytes);
    frame.bytes = static_cast<std::uint32_t>(part);
    std::copy_n(message.begin() + frame.offset, part, frame.payload.begin());
    for_each_peer([&](int peer) { fabric_->post(peer, frame); });
    frame.offset += frame.bytes;
  } while (frame.offset < frame.total);
}

void RemoteTransport::collect(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
                              Clock::time_point deadline) {
  const Clock::duration patience = deadline - Clock::now();
  for (int missing = -1; (missing = mailbox_.await_round(round, all, message_bytes, deadline)) >= 0;) {
    deadline = find_late(missing, patience) + patience;
  }
  std::copy(published_.begin(), published_.end(),
            all.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(rank()) * message_bytes));
}

Ticket RemoteTransport::start(std::span<const Transfer> transfers) {
  for (const Transfer& transfer : transfers) {
    if (transfer.direction == Transfer::Direction::kReceive && mailbox_.broke_off(transfer.peer)) {
      mailbox_.throw_lost(transfer.peer);
    }
  }
  fabric_->start(transfers, started_[++last_ticket_]);
  return last_ticket_;
}

void RemoteTransport::wait(Ticket ticket, Clock::time_point deadline) {
  const auto found = started_.find(ticket);
  if (found == started_.end()) return;
  const Clock::duration patience = deadline - Clock::now();
  for (const auto& operation : found->second) {
    for (;;) {
      const int peer = operation->peer();
      mailbox_.waiting_for(peer, operation->moved());
      // Asked first: what a peer sent before it left counts.
      const bool gone = mailbox_.gone(peer);
      if (operation->finished()) break;
      if (gone) mailbox_.throw_lost(peer);
      // A byte that moves is a sign of life.
      deadline = std::max(deadline, operation->moved() + patience);
      if (Clock::now() >= deadline) deadline = find_late(operation->peer(), patience) + patience;
    }
  }
  mailbox_.waiting_for(-1);
  started_.erase(found);
}

// When a byte last moved on what holds up that peer; throws for one that is late.
Clock::time_point RemoteTransport::find_late(int peer, Clock::duration patience) {
  mailbox_.forget_answers();
  Frame probe;
  probe.type = Frame::Type::kProbe;
  for_each_peer([&](int other) { fabric_->post(other, probe); });
  return mailbox_.find_late(peer, Clock::now() + kPatienceWithAnswers, patience);
}

void RemoteTransport::leave(int culprit, std::string_view reason) noexcept {
  if (left_) return;
  left_ = true;
  Frame farewell;
  farewell.type = Frame::Type::kFarewell;
  farewell.rank = culprit;
  farewell.broken_off = started_.empty() ? 0 : 1;
  farewell.bytes = static_cast<std::uint32_t>(std::min(reason.size(), Frame::kPayloadBytes));
  std::copy_n(reinterpret_cast<const std::byte*>(reason.data()), farewell.bytes, farewell.payload.begin());
  for_each_peer([&](int peer) { fabric_->post(peer, farewell); });
  // Ranks mostly leave together. A connection that is closed before its last messages were read loses them, so each
  // gives the others a moment to say farewell too.
  const Clock::time_point until = Clock::now() + std::chrono::milliseconds(250);
  for_each_peer([&](int peer) {
    if (peer != culprit) mailbox_.await_end_of(peer, until);
  });
  fabric_->close(culprit);
  started_.clear();
}

}  // namespace lvx
