// SPDX-License-Identifier: Apache-2.0
#include "group/remote/remote_transport.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace lvx {
namespace {

// How long a rank waits for answers to its probes after its timeout. Answers take far less time, and a stopped process does
// not answer.
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
                              Clock::time_point expiry) {
  const Clock::duration patience = expiry - Clock::now();
  for (int missing = -1; (missing = mailbox_.await_round(round, all, message_bytes, expiry)) >= 0;) {
    expiry = find_late(missing, patience) + patience;
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

void RemoteTransport::wait(Ticket ticket, Clock::time_point expiry) {
  const auto found = started_.find(ticket);
  if (found == started_.end()) return;
  const Clock::duration patience = expiry - Clock::now();
  for (const auto& operation : found->second) {
    for (;;) {
      const int peer = operation->peer();
      mailbox_.waiting_for(peer, operation->moved());
      // Checked before finished(), because messages that a peer sent before it left are valid.
      const bool gone = mailbox_.gone(peer);
      if (operation->finished()) break;
      if (gone) mailbox_.throw_lost(peer);
      mailbox_.require_uninterrupted(peer);
      // A byte that moves shows that the peer is alive.
      expiry = std::max(expiry, operation->moved() + patience);
      if (Clock::now() >= expiry) expiry = find_late(operation->peer(), patience) + patience;
    }
  }
  mailbox_.waiting_for(-1);
  started_.erase(found);
}

// The time at which a byte last moved on the transfer that delays the peer. Throws Error if a rank is late.
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
  farewell.total = mailbox_.interrupted() ? 1 : 0;
  farewell.broken_off = started_.empty() ? 0 : 1;
  farewell.bytes = static_cast<std::uint32_t>(std::min(reason.size(), Frame::kPayloadBytes));
  std::copy_n(reinterpret_cast<const std::byte*>(reason.data()), farewell.bytes, farewell.payload.begin());
  for_each_peer([&](int peer) { fabric_->post(peer, farewell); });
  // Ranks usually leave together. Closing a connection before its last messages are read discards these messages, so each rank
  // waits briefly for the others' farewells.
  const Clock::time_point until = Clock::now() + std::chrono::milliseconds(250);
  for_each_peer([&](int peer) {
    if (peer != culprit) mailbox_.await_end_of(peer, until);
  });
  fabric_->close(culprit);
  started_.clear();
}

}  // namespace lvx
