// SPDX-License-Identifier: Apache-2.0
#include "group/tcp/control_channel.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/thread_name.h"
#include "group/remote/mailbox.h"

namespace lvx {
namespace {

constexpr std::chrono::milliseconds kFlushPatience{1000};
constexpr const char* kBroken = "the connection broke";

std::uint32_t checksum_of_header(const Frame& frame) {
  return crc32c(0, std::as_bytes(std::span(&frame, 1)).first(offsetof(Frame, checksum)));
}

std::uint32_t checksum_of_payload(const Frame& frame) {
  return crc32c(0, std::span(frame.payload).first(frame.bytes));
}

}  // namespace

ControlChannel::ControlChannel(int rank, std::vector<Socket> connections, bool checksums)
    : rank_(rank), checksums_(checksums), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_.none()) throw Error(LVX_INTERNAL, "the system provides no event descriptor");
  for (Socket& connection : connections) {
    peers_.push_back(std::make_unique<Peer>());
    peers_.back()->connection = std::move(connection);
  }
}

ControlChannel::~ControlChannel() { close(rank_); }

void ControlChannel::open(Mailbox& mailbox) {
  mailbox_ = &mailbox;
  thread_ = std::thread([this] {
    name_this_thread("lvx-control");
    serve();
  });
}

// The thread's loop. Receives frames, and sends frames that post could not send immediately.
void ControlChannel::serve() {
  std::vector<pollfd> entries(peers_.size() + 1);
  std::vector<bool> ended(peers_.size(), false);
  while (!closing_) {
    entries.back() = {wake_.descriptor(), POLLIN, 0};
    for (int peer = 0; peer < size(); ++peer) {
      const std::lock_guard lock(at(peer).mutex);
      const auto slot = static_cast<std::size_t>(peer);
      const bool waits = !at(peer).unsent.empty() && !at(peer).broken;
      entries[slot] = {ended[slot] ? -1 : at(peer).connection.descriptor(),
                       static_cast<short>(waits ? POLLIN | POLLOUT : POLLIN), 0};
    }
    poll(entries.data(), entries.size(), -1);
    std::uint64_t count = 0;
    if (entries.back().revents != 0 && read(wake_.descriptor(), &count, sizeof(count)) < 0) continue;
    for (int peer = 0; peer < size(); ++peer) {
      const auto slot = static_cast<std::size_t>(peer);
      if ((entries[slot].revents & POLLOUT) != 0) {
        const std::lock_guard lock(at(peer).mutex);
        send_unsent(at(peer));
      }
      if ((entries[slot].revents & ~POLLOUT) != 0 && !receive(peer)) ended[slot] = true;
    }
  }
}

// Receives what has arrived. Returns whether the connection is still usable.
bool ControlChannel::receive(int peer) {
  Peer& from = at(peer);
  try {
    for (;;) {
      const std::size_t wanted =
          from.received < Frame::kHeaderBytes ? Frame::kHeaderBytes : from.incoming.wire_bytes();
      const auto rest =
          std::as_writable_bytes(std::span(&from.incoming, 1)).subspan(from.received, wanted - from.received);
      const std::ptrdiff_t received = from.connection.receive_some(rest);
      if (received < 0) throw Error(LVX_PEER_LOST, kBroken);
      if (received == 0) return true;
      from.received += static_cast<std::size_t>(received);
      if (from.received == Frame::kHeaderBytes) check_header(from.incoming);
      if (from.received >= Frame::kHeaderBytes && from.received == from.incoming.wire_bytes()) {
        take_frame(peer);
      }
    }
  } catch (const std::exception& error) {
    mailbox_->connection_lost(peer, error.what());
    return false;
  }
}

void ControlChannel::check_header(const Frame& frame) const {
  if (checksums_ && frame.checksum != checksum_of_header(frame)) {
    throw Error(LVX_PEER_LOST, "the header of a frame arrived damaged: wrong checksum");
  }
  if (frame.bytes > Frame::kPayloadBytes)
    throw Error(LVX_PEER_LOST, "sent a frame that exceeds the maximum length");
}

void ControlChannel::take_frame(int peer) {
  Peer& from = at(peer);
  from.received = 0;
  if (checksums_ && from.incoming.payload_checksum != checksum_of_payload(from.incoming)) {
    throw Error(LVX_PEER_LOST, "a frame arrived damaged: wrong checksum");
  }
  const std::optional<Frame> answer = mailbox_->deliver(peer, from.incoming);
  if (answer) post(peer, *answer);
}

// Sends most frames immediately; the thread sends the rest.
void ControlChannel::post(int peer, Frame frame) noexcept {
  Peer& to = at(peer);
  try {
    if (checksums_) {
      frame.payload_checksum = checksum_of_payload(frame);
      frame.checksum = checksum_of_header(frame);
    }
    const std::lock_guard lock(to.mutex);
    if (to.broken || to.connection.none()) return;
    const auto bytes = std::as_bytes(std::span(&frame, 1)).first(frame.wire_bytes());
    to.unsent.insert(to.unsent.end(), bytes.begin(), bytes.end());
    if (!send_unsent(to)) wake();
  } catch (const std::exception& error) {
    mailbox_->connection_lost(peer, error.what());
  }
}

// Sends as much as possible without blocking. Returns whether nothing is left to send. The caller holds the peer's lock.
bool ControlChannel::send_unsent(Peer& peer) {
  std::array<std::byte, Frame::kBytes> part{};
  while (!peer.unsent.empty() && !peer.broken) {
    const std::size_t bytes = std::min(part.size(), peer.unsent.size());
    std::copy_n(peer.unsent.begin(), bytes, part.begin());
    const std::ptrdiff_t sent = peer.connection.send_some(std::span(part).first(bytes));
    if (sent < 0) peer.broken = true;  // the thread detects this when it receives, and reports it
    if (sent <= 0) return peer.broken;
    peer.unsent.erase(peer.unsent.begin(), peer.unsent.begin() + sent);
  }
  return true;
}

void ControlChannel::wake() noexcept {
  const std::uint64_t one = 1;
  // Cannot fail, because the counter never overflows.
  [[maybe_unused]] const auto written = write(wake_.descriptor(), &one, sizeof(one));
}

// Called after the thread has ended.
void ControlChannel::flush(int culprit) {
  const Clock::time_point until = Clock::now() + kFlushPatience;
  for (int peer = 0; peer < size(); ++peer) {
    Peer& to = at(peer);
    if (peer == rank_ || peer == culprit || to.broken || mailbox_->gone(peer)) continue;
    const std::vector<std::byte> rest(to.unsent.begin(), to.unsent.end());
    to.connection.send_all(rest, until);
  }
}

void ControlChannel::close(int culprit) noexcept {
  if (mailbox_ == nullptr || closing_.exchange(true)) return;
  wake();
  if (thread_.joinable()) thread_.join();
  flush(culprit);
  for (const auto& peer : peers_) {
    const std::lock_guard lock(peer->mutex);
    peer->connection.close();
  }
}

}  // namespace lvx
